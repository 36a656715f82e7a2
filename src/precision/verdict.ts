/** Which precision was the fastest, remembered for a machine and a model; another processor, device or engine asks anew. */

import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { type Static, Type } from "typebox";
import { Check } from "typebox/value";
import type { EngineOptions } from "../../binding.js";
import { cacheDirectory } from "../model/cache.js";
import { loadAddon } from "../native/addon.js";

const precisionName = Type.Union([Type.Literal("file"), Type.Literal("f16"), Type.Literal("bf16"), Type.Literal("q8_0")]);
const Verdict = Type.Object({
  precision: precisionName,
  reason: Type.String(),
  tokensPerSecond: Type.Record(Type.String(), Type.Number()),
});
export type Verdict = Static<typeof Verdict>;

export async function readVerdict(options: EngineOptions, source: string): Promise<Verdict | undefined> {
  try {
    const verdict: unknown = JSON.parse(await readFile(verdictPath(options, source), "utf8"));
    return Check(Verdict, verdict) ? verdict : undefined;
  } catch {
    return undefined;
  }
}

export async function writeVerdict(options: EngineOptions, source: string, verdict: Verdict): Promise<Verdict> {
  const path = verdictPath(options, source);
  // Only a saving of time: where it cannot be kept, the next start takes the times again.
  await mkdir(join(path, ".."), { recursive: true })
    .then(() => writeFile(`${path}.${process.pid}`, `${JSON.stringify(verdict, null, 2)}\n`))
    .then(() => rename(`${path}.${process.pid}`, path))
    .catch(() => {});
  return verdict;
}

/** Everything the times depend on. */
function verdictPath(options: EngineOptions, source: string): string {
  const { threads, backend, gpuLayers, reproducible, flashAttention, batchTokens } = options;
  const { cpuFeatures, devices } = loadAddon().binding.backends();
  const machine = {
    processor: cpus()[0]?.model,
    cpuFeatures,
    devices: devices.map(({ name, description }) => ({ name, description })),
    engine: loadAddon().binding.version(),
    ...{ threads, backend, gpuLayers, reproducible, flashAttention, batchTokens },
  };
  const key = createHash("sha256").update(JSON.stringify(machine)).digest("hex").slice(0, 16);
  return join(cacheDirectory(), "precision", `${source.slice(0, 16)}-${key}.json`);
}
