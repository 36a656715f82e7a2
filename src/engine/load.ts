/** Loads engines side by side. */

import type { EngineOptions } from "../../binding.js";
import { loadAddon } from "../native/addon.js";
import { withVerdict } from "./memory-estimate.js";
import type { PooledEngine } from "./pool.js";

/** When one cannot be loaded, the others are closed and this rejects. `fraction`: 0 to 1 of all of them. */
export async function loadEngines(
  each: readonly EngineOptions[],
  modelPath: string,
  onProgress: (fraction: number) => void,
): Promise<readonly PooledEngine[]> {
  const fractions = each.map(() => 0);
  const loads = each.map((options, index) =>
    loadAddon().binding.Engine.load({ ...options, modelPath }, (fraction) => {
      fractions[index] = fraction;
      onProgress(fractions.reduce((sum, part) => sum + part, 0) / fractions.length);
    }),
  );
  const settled = await Promise.allSettled(loads);
  const engines = settled.flatMap((load) => (load.status === "fulfilled" ? [load.value] : []));
  const failed = settled.find((load) => load.status === "rejected");
  if (!failed) return engines;
  await Promise.all(engines.map((engine) => engine.close()));
  throw await withVerdict(
    failed.reason,
    each.map((options) => ({ ...options, modelPath })),
  );
}
