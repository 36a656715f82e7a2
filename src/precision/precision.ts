/**
 * In which precision a model's weights are computed with. Scoring is arithmetic, and which weights a machine multiplies
 * fastest depends on its instruction set: they are timed once on a part of the model, the winner is converted once and
 * kept, and the times are remembered for this machine and model. Whether there is memory for it is seen at each start.
 */

import { stat } from "node:fs/promises";
import type { Device, EngineOptions } from "../../binding.js";
import { freeMemory } from "../engine/memory-groups.js";
import { sweepUnfinished } from "../files/write-atomically.js";
import { loadAddon } from "../native/addon.js";
import type { LoadActivity } from "./activity.js";
import { convertedBytes, convertedDirectory, convertedFile } from "./converted.js";
import { decide } from "./decision.js";
import { readMeasured, writeMeasured } from "./measured.js";
import { sourceChecksum } from "./source.js";
import { timeCandidates, timingDirectory } from "./timing.js";
import type { Converted, Precision, PrecisionChoice, Timings } from "./weights.js";

export interface PrecisionEvents {
  readonly onProgress: (fraction: number, activity: LoadActivity) => void;
  /** Things to know, each in one line. */
  readonly onNotice: (notice: string) => void;
}

/** Bytes of a file below which a model is read and computed in less time than it would take to find out more. */
const smallestBytes = 256 * 2 ** 20;
/** What the process needs beside the weights and the documents' states. */
const headroomBytes = 2 ** 30;

/** Rejects only when a precision was asked for by name and cannot be had; `auto` then stays with the file and says why. */
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

/** Removes what runs that were killed have left. */
async function sweep(): Promise<void> {
  let directories: string[];
  try {
    directories = [convertedDirectory(), timingDirectory()];
  } catch {
    // A user without a home has no cache folder: there is nothing in it, and who needs one says what to do.
    return;
  }
  for (const directory of directories) await sweepUnfinished(directory);
}

async function fastest(options: EngineOptions, events: PrecisionEvents, worthTiming: number): Promise<PrecisionChoice> {
  const { modelPath } = options;
  const { size } = await stat(modelPath);
  if (size < worthTiming) return { precision: "file", modelPath, reason: "the model is small" };
  const source = await sourceChecksum(modelPath, (fraction) => events.onProgress(fraction, "hashing"));
  const tokensPerSecond = (await readMeasured(options, source)) ?? (await measure(options, source, events));
  const needed = candidates(options).map((name) => [name, neededBytes(options, name)]);
  const { precision, reason } = decide(tokensPerSecond, Object.fromEntries(needed), freeOnDevice(options));
  if (precision === "file") return { precision, modelPath, reason, tokensPerSecond };
  return { ...(await convert(options, precision, events)), reason, tokensPerSecond };
}

async function measure(options: EngineOptions, source: string, { onProgress }: PrecisionEvents): Promise<Timings> {
  onProgress(0, "timing");
  const timings = await timeCandidates(options, candidates(options), (fraction) => onProgress(fraction, "timing"));
  await writeMeasured(options, source, timings);
  return timings;
}

/** Of memory on the device that computes; documents' states lie in the host's. */
function neededBytes(options: EngineOptions, precision: Converted): number {
  const documents = gpuOf(options) ? 0 : options.documentCacheBytes;
  return convertedBytes(options.modelPath, precision) + documents + headroomBytes;
}

/** Brain floats are timed only where they are multiplied in hardware: elsewhere they are the slowest by far. */
function candidates(options: EngineOptions): Converted[] {
  const { cpuFeatures } = loadAddon().binding.backends();
  const brainFloats = gpuOf(options) !== undefined || cpuFeatures.some((feature) => feature.includes("BF16"));
  return brainFloats ? ["f16", "bf16", "q8_0"] : ["f16", "q8_0"];
}

/** Another model of this process may have loaded a GPU's backend that this one is not to use. */
function mayUseGpu({ backend, gpuLayers }: EngineOptions): boolean {
  return backend !== "cpu" && gpuLayers > 0;
}

function gpuOf(options: EngineOptions): Device | undefined {
  if (!mayUseGpu(options)) return undefined;
  return loadAddon()
    .binding.backends()
    .devices.find(({ type }) => type === "gpu");
}

/** Of the device that computes, as far as it says. */
function freeOnDevice(options: EngineOptions): number {
  return gpuOf(options)?.memoryFree ?? freeMemory();
}

async function convert(options: EngineOptions, precision: Converted, { onProgress, onNotice }: PrecisionEvents) {
  const source = await sourceChecksum(options.modelPath, (fraction) => onProgress(fraction, "hashing"));
  const modelPath = await convertedFile(options, source, precision, {
    onHashing: (fraction) => onProgress(fraction, "hashing"),
    onProgress: (fraction) => onProgress(fraction, "converting"),
    onWaiting: () => onProgress(0, "waiting"),
    onNotice,
  });
  return { precision, modelPath };
}
