/** Which precision follows from what was measured and from the memory that is free now. Pure. */

import type { Precision, Timings } from "./weights.js";

export interface Decision {
  readonly precision: Precision;
  /** Why, in one line. */
  readonly reason: string;
}

/** How much faster a precision must be to be worth a second copy of the weights. */
const worthIt = 1.05;

/** `needed`: bytes of memory that computing with each precision takes; one that is not there cannot be had. */
export function decide(tokensPerSecond: Timings, needed: Timings, freeBytes: number): Decision {
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
