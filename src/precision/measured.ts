/**
 * Remembers how fast this machine computed a model in each precision. Another processor, device or engine is measured anew.
 * Only the rates are kept: the decision also depends on the memory that is free at each start.
 */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { Type } from "typebox";
import { Check } from "typebox/value";
import type { EngineOptions } from "../../binding.js";
import { writeAtomically } from "../files/write-atomically.js";
import { loadAddon } from "../native/addon.js";
import { timingDirectory } from "./timing.js";
import type { PerPrecision } from "./weights.js";

const Measured = Type.Object({ tokensPerSecond: Type.Record(Type.String(), Type.Number({ minimum: 0 })) });

export async function readMeasured(options: EngineOptions, source: string): Promise<PerPrecision | undefined> {
  try {
    const measured: unknown = JSON.parse(await readFile(measuredPath(options, source), "utf8"));
    return Check(Measured, measured) ? measured.tokensPerSecond : undefined;
  } catch {
    return undefined;
  }
}

export async function writeMeasured(options: EngineOptions, source: string, tokensPerSecond: PerPrecision): Promise<void> {
  // The record only saves time: without it the next start measures again.
  await writeAtomically(measuredPath(options, source), `${JSON.stringify({ tokensPerSecond }, null, 2)}\n`).catch(() => {});
}

/** The name holds everything that the rates depend on. */
function measuredPath(options: EngineOptions, source: string): string {
  const { threads, backend, gpuLayers, reproducible, batchTokens } = options;
  const { cpuFeatures, devices } = loadAddon().binding.backends();
  const machine = {
    processor: cpus()[0]?.model,
    cpuFeatures,
    devices: devices.map(({ name, description }) => ({ name, description })),
    engine: loadAddon().binding.version(),
    ...{ threads, backend, gpuLayers, reproducible, batchTokens },
  };
  const key = createHash("sha256").update(JSON.stringify(machine)).digest("hex").slice(0, 16);
  return join(timingDirectory(), `${source.slice(0, 16)}-${key}.json`);
}
