/**
 * Chooses the precision that a model's weights are computed in. Which weights a machine multiplies fastest depends on its
 * instruction set: a part of the model is timed once in each precision, the rates are remembered for this machine and model,
 * and the fastest weights are converted once and kept. Each start looks anew whether there is memory for them.
 */

import { stat } from "node:fs/promises";
import type { Device, EngineOptions } from "../../binding.js";
import { freeMemory } from "../engine/memory-groups.js";
import { sweepUnfinished } from "../files/write-atomically.js";
import { loadAddon } from "../native/addon.js";
import type { LoadActivity, Logger, Precision, PrecisionChoice } from "../types.js";
import { convertedBytes, convertedDirectory, convertedFile } from "./converted.js";
import { candidates, decide } from "./decision.js";
import { readMeasured, writeMeasured } from "./measured.js";
import { sourceChecksum } from "./source.js";
import { timeCandidates, timingDirectory } from "./timing.js";
import type { Converted, PerPrecision } from "./weights.js";

export interface PrecisionEvents {
  /** `fraction`: 0 to 1 of this activity. */
  readonly onProgress: (fraction: number, activity: LoadActivity) => void;
  readonly logger: Logger;
}

/** Bytes. A smaller file is read and computed in less time than timing it would take. */
const smallestBytes = 256 * 2 ** 20;
/** What the process needs beside the weights and the document cache. */
const headroomBytes = 2 ** 30;

/** Rejects only when a precision is asked for by name and cannot be had; `auto` then stays with the file and says why. */
export async function choosePrecision(
  options: EngineOptions,
  wanted: Precision | "auto",
  events: PrecisionEvents,
  worthTiming = smallestBytes,
): Promise<PrecisionChoice> {
  const { modelPath } = options;
  await sweep();
  if (wanted === "file") return { precision: "file", modelPath, reason: "PRECISION=file" };
  if (wanted !== "auto") return { ...(await convert(options, wanted, events)), reason: `PRECISION=${wanted}` };
  try {
    return await fastest(options, events, worthTiming);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { precision: "file", modelPath, reason: `no other could be tried: ${why}` };
  }
}

/** Removes what killed processes left behind. */
async function sweep(): Promise<void> {
  let directories: string[];
  try {
    directories = [convertedDirectory(), timingDirectory()];
  } catch {
    // A user without a home has no cache folder, and so nothing in it. What needs the folder says what to do.
    return;
  }
  for (const directory of directories) await sweepUnfinished(directory);
}

async function fastest(options: EngineOptions, events: PrecisionEvents, worthTiming: number): Promise<PrecisionChoice> {
  const { modelPath } = options;
  const { size } = await stat(modelPath);
  if (size < worthTiming) return { precision: "file", modelPath, reason: "the model is small" };
  const names = candidates(gpuOf(options) !== undefined, loadAddon().binding.backends().cpuFeatures);
  const source = await sourceChecksum(modelPath, (fraction) => events.onProgress(fraction, "hashing"));
  const tokensPerSecond = (await readMeasured(options, source)) ?? (await measure(options, names, source, events));
  // Both may have taken minutes: what is free now counts. On a GPU the document cache lies in the host's memory.
  const gpu = gpuOf(options);
  const beside = (gpu ? 0 : options.documentCacheBytes) + headroomBytes;
  const needed = Object.fromEntries(names.map((name) => [name, convertedBytes(modelPath, name) + beside]));
  const { precision, reason } = decide(tokensPerSecond, needed, gpu?.memoryFree ?? freeMemory());
  if (precision === "file") return { precision, modelPath, reason, tokensPerSecond };
  return { ...(await convert(options, precision, events)), reason, tokensPerSecond };
}

async function measure(
  options: EngineOptions,
  names: readonly Converted[],
  source: string,
  { onProgress }: PrecisionEvents,
): Promise<PerPrecision> {
  onProgress(0, "timing");
  const rates = await timeCandidates(options, names, (fraction) => onProgress(fraction, "timing"));
  await writeMeasured(options, source, rates);
  return rates;
}

/** Another model of this process may have loaded the backend of a GPU that this model must not use. */
function gpuOf({ backend, gpuLayers }: EngineOptions): Device | undefined {
  if (backend === "cpu" || gpuLayers === 0) return undefined;
  return loadAddon()
    .binding.backends()
    .devices.find(({ type }) => type === "gpu");
}

async function convert(options: EngineOptions, precision: Converted, { onProgress, logger }: PrecisionEvents) {
  const source = await sourceChecksum(options.modelPath, (fraction) => onProgress(fraction, "hashing"));
  const modelPath = await convertedFile(options, source, precision, {
    onHashing: (fraction) => onProgress(fraction, "hashing"),
    onProgress: (fraction) => onProgress(fraction, "converting"),
    onWaiting: () => onProgress(0, "waiting"),
    logger,
  });
  return { precision, modelPath };
}
