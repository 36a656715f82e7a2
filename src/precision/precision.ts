/**
 * In which precision a model's weights are computed with. Scoring is arithmetic, and which weights a machine multiplies
 * fastest depends on its instruction set: they are timed once on a part of the model, the winner is converted once and
 * kept, and the verdict is remembered for this machine and model.
 */

import { stat } from "node:fs/promises";
import { freemem } from "node:os";
import type { EngineOptions } from "../../binding.js";
import { loadAddon } from "../native/addon.js";
import type { LoadActivity } from "./activity.js";
import { convertedFile } from "./converted.js";
import { sourceChecksum } from "./source.js";
import { type Timings, timeCandidates } from "./timing.js";
import { readVerdict, type Verdict, writeVerdict } from "./verdict.js";

/** "file": as they are in the file. */
export type Precision = "file" | "f16" | "bf16" | "q8_0";

export interface PrecisionChoice {
  readonly precision: Precision;
  /** The file to load: the source, or what was converted from it. */
  readonly modelPath: string;
  /** Why, in one line. */
  readonly reason: string;
  /** What was measured of a part of the model; absent where nothing was. */
  readonly tokensPerSecond?: Timings;
}

type Report = (fraction: number, activity: LoadActivity) => void;

/** Bytes of a file below which a model is read and computed in less time than it would take to find out more. */
const smallestBytes = 256 * 2 ** 20;
/** How much faster a precision must be to be worth a second copy of the weights. */
const worthIt = 1.05;
/** What the process needs beside the weights. */
const headroomBytes = 2 ** 30;

/** Rejects only when a precision was asked for by name and cannot be had; `auto` then stays with the file and says why. */
export async function choosePrecision(
  options: EngineOptions,
  wanted: Precision | "auto",
  report: Report,
  worthTiming = smallestBytes,
): Promise<PrecisionChoice> {
  const { modelPath } = options;
  if (wanted === "file") return { precision: "file", modelPath, reason: "PRECISION=file" };
  if (wanted !== "auto") return { ...(await convert(options, wanted, report)), reason: `PRECISION=${wanted}` };
  try {
    return await fastest(options, report, worthTiming);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { precision: "file", modelPath, reason: `no other could be tried: ${why}` };
  }
}

async function fastest(options: EngineOptions, report: Report, worthTiming: number): Promise<PrecisionChoice> {
  const { modelPath } = options;
  const { size } = await stat(modelPath);
  if (size < worthTiming) return { precision: "file", modelPath, reason: "the model is small" };
  const source = await sourceChecksum(modelPath, (fraction) => report(fraction, "hashing"));
  const verdict = (await readVerdict(options, source)) ?? (await judge(options, source, report));
  const { precision, reason, tokensPerSecond } = verdict;
  if (precision === "file") return { precision, modelPath, reason, tokensPerSecond };
  return { ...(await convert(options, precision, report)), reason, tokensPerSecond };
}

/** Times the candidates and remembers what came out. */
async function judge(options: EngineOptions, source: string, report: Report): Promise<Verdict> {
  report(0, "timing");
  const { tokensPerSecond, bytes } = await timeCandidates(options, candidates(options), (fraction) => report(fraction, "timing"));
  const measured = Object.entries(tokensPerSecond)
    .map(([name, rate]) => `${name} ${rate.toFixed(0)}`)
    .join(", ");
  const reason = (why: string) => `${why}; tokens/s of a part of the model: ${measured}`;
  const own = tokensPerSecond.file ?? 0;
  const faster = candidates(options)
    .filter((name) => (tokensPerSecond[name] ?? 0) > own * worthIt)
    .sort((a, b) => (tokensPerSecond[b] ?? 0) - (tokensPerSecond[a] ?? 0));
  for (const name of faster) {
    const room = (bytes[name] ?? 0) + headroomBytes;
    if (room > freeMemory(options)) continue;
    const gain = ((tokensPerSecond[name] ?? 0) / own).toFixed(2);
    return await writeVerdict(options, source, {
      precision: name,
      reason: reason(`${gain} x as fast as the file's own`),
      tokensPerSecond,
    });
  }
  const why = faster.length > 0 ? `not enough memory for ${faster.join(" or ")}` : "the file's own are the fastest";
  return await writeVerdict(options, source, { precision: "file", reason: reason(why), tokensPerSecond });
}

/** Brain floats are timed only where they are multiplied in hardware: elsewhere they are the slowest by far. */
function candidates(options: EngineOptions): Exclude<Precision, "file">[] {
  const { cpuFeatures, devices } = loadAddon().binding.backends();
  const onGpu = mayUseGpu(options) && devices.some(({ type }) => type === "gpu");
  const brainFloats = onGpu || cpuFeatures.some((feature) => feature.includes("BF16"));
  return brainFloats ? ["f16", "bf16", "q8_0"] : ["f16", "q8_0"];
}

/** Another model of this process may have loaded a GPU's backend that this one is not to use. */
function mayUseGpu({ backend, gpuLayers }: EngineOptions): boolean {
  return backend !== "cpu" && gpuLayers > 0;
}

/** Of the device that computes, as far as it says. */
function freeMemory(options: EngineOptions): number {
  const gpu = loadAddon()
    .binding.backends()
    .devices.find(({ type }) => type === "gpu");
  if (mayUseGpu(options) && gpu) return gpu.memoryFree;
  const limit = process.constrainedMemory();
  const used = process.memoryUsage.rss();
  // Without a limit Node reports 0, or a number larger than any machine's memory.
  return limit > 0 ? Math.min(freemem(), Math.max(0, limit - used)) : freemem();
}

async function convert(options: EngineOptions, precision: Exclude<Precision, "file">, report: Report) {
  const source = await sourceChecksum(options.modelPath, (fraction) => report(fraction, "hashing"));
  const modelPath = await convertedFile(options, source, precision, {
    onProgress: (fraction) => report(fraction, "converting"),
    onWaiting: () => report(0, "waiting"),
  });
  return { precision, modelPath };
}
