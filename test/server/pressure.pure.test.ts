/** When scoring is refused because the process is short of time or memory. */

import { expect, test } from "vitest";
import { refuseUnderPressure } from "../../src/server/pressure.js";

const mebibyte = 2 ** 20;

/** Refuses a request of a process with these figures, whose limits are exceeded. */
function refuse(figures: { eventLoopDelay: number; rssBytes: number }, state: { requests: number; readyMs: number }): void {
  const server = { isUnderPressure: () => true, memoryUsage: () => ({ heapUsed: mebibyte, ...figures }) };
  Reflect.apply(refuseUnderPressure, undefined, [{ server }, { maxRssBytes: 100 * mebibyte }, state]);
}

test.each([
  ["a loop that lags", { eventLoopDelay: 1161, rssBytes: mebibyte }, { requests: 0, readyMs: 60_000 }, true],
  [
    "a loop that lagged while the model was loaded",
    { eventLoopDelay: 1161, rssBytes: mebibyte },
    { requests: 0, readyMs: 10 },
    false,
  ],
  ["too much memory beside a request", { eventLoopDelay: 1, rssBytes: 200 * mebibyte }, { requests: 1, readyMs: 60_000 }, true],
  ["too much memory right after loading", { eventLoopDelay: 1, rssBytes: 200 * mebibyte }, { requests: 1, readyMs: 10 }, true],
  [
    "too much memory and nothing that runs",
    { eventLoopDelay: 1, rssBytes: 200 * mebibyte },
    { requests: 0, readyMs: 60_000 },
    false,
  ],
])("%s", (_, figures, state, refused) => {
  if (refused) expect(() => refuse(figures, state)).toThrow(/short of time or memory/);
  else expect(() => refuse(figures, state)).not.toThrow();
});
