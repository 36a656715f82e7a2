/**
 * `Server-Timing`, which browsers and curl show: durations in milliseconds, those of images where there were any, and how many
 * tokens were computed and reused.
 */

import type { Timings } from "../../types.js";

export function serverTiming({
  imageMs,
  queueMs,
  tokenizeMs,
  computeMs,
  totalMs,
  computedTokens,
  reusedTokens,
}: Timings): string {
  const durations = Object.entries({
    ...(imageMs > 0 && { images: imageMs }),
    queue: queueMs,
    tokenize: tokenizeMs,
    compute: computeMs,
    total: totalMs,
  });
  const tokens = Object.entries({ computed: computedTokens, reused: reusedTokens });
  return [
    ...durations.map(([name, duration]) => `${name};dur=${milliseconds(duration)}`),
    ...tokens.map(([name, count]) => `${name};desc="${count}"`),
  ].join(", ");
}

/** Rounded to the microsecond. */
export function milliseconds(value: number): number {
  return Math.round(value * 1000) / 1000;
}
