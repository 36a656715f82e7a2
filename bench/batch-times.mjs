/** Where the time of a batch goes, as the engine logs it at debug level (native/engine/engine-loop.cpp). */

import { median } from "./statistics.mjs";

/** @import { BatchTimes, Split } from "./types.js" */

const line =
  /^batch of (\d+) rows: (\d+) us to plan it, (\d+) us to build its graph, (\d+) us to fill its inputs, (\d+) us to compute it, (\d+) us to give its scores$/;

/**
 * @param {string} text A line of the engine's log.
 * @returns {BatchTimes | undefined} Undefined for a line about something else.
 */
export function batchTimes(text) {
  const match = text.match(line);
  if (!match) return undefined;
  const [rows = 0, plan = 0, build = 0, fill = 0, compute = 0, give = 0] = match.slice(1).map(Number);
  return { rows, before: (plan + build + fill) / 1e6, compute: compute / 1e6, after: give / 1e6 };
}

/**
 * Medians of batches.
 *
 * @param {readonly BatchTimes[]} batches
 * @returns {Split}
 */
export function split(batches) {
  const of = (/** @type {keyof BatchTimes} */ name) => median(batches.map((batch) => batch[name]));
  return { batches: batches.length, rows: of("rows"), before: of("before"), compute: of("compute"), after: of("after") };
}
