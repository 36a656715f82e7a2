/** Decides which precisions are timed, and which one is taken by the rates and the memory that is free. Pure. */

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
export function candidates(onGpu: boolean, cpuFeatures: readonly string[]): readonly Converted[] {
  return onGpu || cpuFeatures.some((feature) => feature.includes("BF16")) ? ["f16", "bf16", "q8_0"] : ["f16", "q8_0"];
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
  const missing = faster.map((name) => `${name}, which needs ${gib(needed[name] ?? 0)}`).join(" or ");
  return { precision: "file", reason: because(`not enough memory now for ${missing}: ${gib(freeBytes)} are free`) };
}

const precisions: readonly Precision[] = ["file", "f16", "bf16", "q8_0"];

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
