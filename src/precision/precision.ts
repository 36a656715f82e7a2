/**
 * Chooses the precision that a model's weights are computed in. Which weights a processor multiplies fastest depends on its
 * instruction set: a part of the model is timed once in each precision, the rates are remembered for this machine and model,
 * and the fastest weights are converted once and kept. Of a GPU it is known. Each start looks anew whether there is memory for
 * them.
 */

import { stat } from "node:fs/promises";
import type { Device, EngineOptions } from "../../binding.js";
import { freeMemory } from "../engine/memory-groups.js";
import { sweepUnfinished } from "../files/write-atomically.js";
import { loadAddon } from "../native/addon.js";
import type { LoadActivity, Logger, Precision, PrecisionChoice } from "../types.js";
import { convertedBytes, convertedDirectory, convertedFile } from "./converted.js";
import { candidates, type Decision, decide, decideOnGpu, ofGpu } from "./decision.js";
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
/** What the process, or the engine on a GPU, needs beside the weights and the document cache. */
const headroomBytes = 2 ** 30;

interface Circumstances {
  readonly worthwhileBytes?: number;
  readonly sharers?: number;
  readonly towerBytes?: number;
}

/**
 * `sharers`: engines on the same GPU. `towerBytes`: what the vision tower takes beside the model. Rejects only when a precision is asked for by name and cannot be had; `auto` then stays with the
 * file and says why.
 */
export async function choosePrecision(
  options: EngineOptions,
  wanted: Precision | "auto",
  events: PrecisionEvents,
  { worthwhileBytes = smallestBytes, sharers = 1, towerBytes = 0 }: Circumstances = {},
): Promise<PrecisionChoice> {
  const { modelPath } = options;
  await sweep();
  if (wanted === "file") return { precision: "file", modelPath, reason: "PRECISION=file" };
  if (wanted !== "auto") return { ...(await convert(options, wanted, events)), reason: `PRECISION=${wanted}` };
  try {
    const { size } = await stat(modelPath);
    if (size < worthwhileBytes) return { precision: "file", modelPath, reason: "the model is small" };
    const gpu = gpuOf(options);
    if (gpu) return await bestOnGpu(options, gpu, gpu.memoryFree / sharers - towerBytes, events);
    return await fastest(options, towerBytes, events);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { precision: "file", modelPath, reason: `no other could be tried: ${why}` };
  }
}

/** What `choosePrecision` takes, as far as it is known before: where rates have yet to be timed, the file's own. */
export async function foreseenPrecision(
  options: Omit<EngineOptions, "head">,
  wanted: Precision | "auto",
  { worthwhileBytes = smallestBytes, sharers = 1, towerBytes = 0 }: Circumstances = {},
): Promise<Precision> {
  if (wanted !== "auto") return wanted;
  const { modelPath } = options;
  const { size } = await stat(modelPath);
  const gpu = size < worthwhileBytes ? undefined : gpuOf(options);
  return gpu ? decisionOnGpu(modelPath, gpu, gpu.memoryFree / sharers - towerBytes).precision : "file";
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

async function bestOnGpu(
  options: EngineOptions,
  gpu: Device,
  freeBytes: number,
  events: PrecisionEvents,
): Promise<PrecisionChoice> {
  const { modelPath } = options;
  const { precision, reason } = decisionOnGpu(modelPath, gpu, freeBytes);
  if (precision === "file") return { precision, modelPath, reason };
  return { ...(await convert(options, precision, events)), reason };
}

/** On a GPU the document cache takes what the weights leave. */
function decisionOnGpu(modelPath: string, gpu: Device, freeBytes: number): Decision {
  const { precision: best } = ofGpu(gpu);
  const needed = best === "file" ? {} : { [best]: convertedBytes(modelPath, best) + headroomBytes };
  return decideOnGpu(gpu, loadAddon().binding.inspect(modelPath).matrixTypes, needed, freeBytes);
}

async function fastest(options: EngineOptions, towerBytes: number, events: PrecisionEvents): Promise<PrecisionChoice> {
  const { modelPath } = options;
  const names = candidates(loadAddon().binding.backends().cpuFeatures);
  const source = await sourceChecksum(modelPath, (fraction) => events.onProgress(fraction, "hashing"));
  const tokensPerSecond = (await readMeasured(options, source)) ?? (await measure(options, names, source, events));
  // Both may have taken minutes: what is free now counts.
  const beside = options.documentCacheBytes + towerBytes + headroomBytes;
  const needed = Object.fromEntries(names.map((name) => [name, convertedBytes(modelPath, name) + beside]));
  const { precision, reason } = decide(tokensPerSecond, needed, freeMemory());
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

/**
 * The GPU that computes the whole model; undefined = there is none, or some layers are the CPU's. Another model of this process
 * may have loaded the backend of a GPU that this model must not use.
 */
function gpuOf({ backend, gpuLayers, device, modelPath }: Omit<EngineOptions, "head">): Device | undefined {
  const { backends, inspect } = loadAddon().binding;
  // The output counts as a layer.
  if (backend === "cpu" || gpuLayers <= inspect(modelPath).layers) return undefined;
  const gpus = backends().devices.filter(({ type }) => type === "gpu" || type === "igpu");
  if (device !== undefined) return gpus.find(({ name }) => name === device);
  const library = backend === "metal" ? "mtl" : backend;
  const offered = backend === "auto" ? gpus : gpus.filter((gpu) => gpu.backend.toLowerCase() === library);
  return offered.find(({ type }) => type === "gpu") ?? offered[0];
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
