/**
 * Decides which precision is taken: on a CPU by the rates of those that were timed, on a GPU by what is known of it, and on
 * both by the memory that is free. Pure.
 */

import type { Device } from "../../binding.js";
import type { Precision } from "../types.js";
import type { Converted, PerPrecision } from "./weights.js";

export interface Decision {
  readonly precision: Precision;
  /** Why, in one line. */
  readonly reason: string;
}

/** A precision that is less than this much faster than the file's own is not worth a second copy of the weights. */
const worthIt = 1.05;

/** BF16 is timed only where hardware multiplies it: elsewhere it is the slowest by far. */
export function candidates(cpuFeatures: readonly string[]): readonly Converted[] {
  return cpuFeatures.some((feature) => feature.includes("BF16")) ? ["f16", "bf16", "q8_0"] : ["f16", "q8_0"];
}

/** Compute capabilities: of the first cards with products of BF16, and of those whose products of F16 ggml sums in F32. */
const [ampere, volta] = [8, 7];

/**
 * What a GPU multiplies fastest, and why. Of CUDA it is read in ggml 0.25: before Ampere it computes BF16 in F32, and but for
 * Volta it sums products of F16 in F16, which this family's activations can overflow.
 */
export function ofGpu({ backend, computeCapability }: Pick<Device, "backend" | "computeCapability">): Decision {
  if (backend !== "CUDA") return { precision: "f16", reason: `what ${backend} is known to multiply fast` };
  if (computeCapability === 0) return { precision: "file", reason: "its compute capability is not known" };
  const nvidia = `compute capability ${computeCapability.toFixed(1)}`;
  if (computeCapability >= ampere) return { precision: "bf16", reason: `${nvidia} multiplies BF16 and sums in F32` };
  if (computeCapability === volta) return { precision: "f16", reason: `${nvidia} multiplies F16 and sums in F32` };
  return { precision: "file", reason: `${nvidia} has no fast products of BF16 or F16 that it sums in F32` };
}

/** `matrixTypes`: the file's own, as `inspect` gives them. `needed`: as for `decide`. */
export function decideOnGpu(
  device: Pick<Device, "name" | "backend" | "computeCapability">,
  matrixTypes: readonly string[],
  needed: PerPrecision,
  freeBytes: number,
): Decision {
  const { precision, reason } = ofGpu(device);
  const because = `${device.name}: ${reason}`;
  if (precision === "file") return { precision, reason: because };
  if (matrixTypes.every((type) => type === precision)) return { precision: "file", reason: `${because}; so are the file's` };
  if ((needed[precision] ?? Number.POSITIVE_INFINITY) <= freeBytes) return { precision, reason: because };
  return { precision: "file", reason: `${because}; ${shortOf([precision], needed, freeBytes)}` };
}

/** `needed`: bytes of memory that each precision takes; a precision without them cannot be computed here. */
export function decide(tokensPerSecond: PerPrecision, needed: PerPrecision, freeBytes: number): Decision {
  const measured = precisions
    .flatMap((name) => (tokensPerSecond[name] === undefined ? [] : [`${name} ${tokensPerSecond[name].toFixed(0)}`]))
    .join(", ");
  const because = (why: string) => `${why}; tokens/s of a part of the model: ${measured}`;
  const own = tokensPerSecond.file ?? 0;
  const rate = (name: Precision) => tokensPerSecond[name] ?? 0;
  const faster = precisions.filter((name) => needed[name] !== undefined && rate(name) > own * worthIt);
  faster.sort((a, b) => rate(b) - rate(a));
  const chosen = faster.find((name) => (needed[name] ?? Number.POSITIVE_INFINITY) <= freeBytes);
  if (chosen) return { precision: chosen, reason: because(`${(rate(chosen) / own).toFixed(2)} x as fast as the file's own`) };
  if (faster.length === 0) return { precision: "file", reason: because("the file's own are the fastest") };
  return { precision: "file", reason: because(shortOf(faster, needed, freeBytes)) };
}

function shortOf(names: readonly Precision[], needed: PerPrecision, freeBytes: number): string {
  const missing = names.map((name) => `${name}, which needs ${gib(needed[name] ?? 0)}`).join(" or ");
  return `not enough memory now for ${missing}: ${gib(freeBytes)} are free`;
}

const precisions: readonly Precision[] = ["file", "f16", "bf16", "q8_0"];

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
