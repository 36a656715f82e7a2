/** When a process that is short of time or memory refuses a request. */

import { expect, test } from "vitest";
import { refuses } from "../../src/server/pressure.js";

const mebibyte = 2 ** 20;
const limits = { maxHeap: 50 * mebibyte, maxRssBytes: 100 * mebibyte };
const little = { heapUsed: mebibyte, rssBytes: mebibyte };
const tooMuch = { heapUsed: mebibyte, rssBytes: 200 * mebibyte };
const fullHeap = { heapUsed: 60 * mebibyte, rssBytes: mebibyte };

// Some limit is exceeded in every row. Where memory is not short, the event loop lags.
test.each([
  ["an event loop that lags", little, { requests: 0, readyMs: 60_000 }, true],
  ["an event loop that lagged while the model was loaded", little, { requests: 0, readyMs: 10 }, false],
  ["too much memory beside a running request", tooMuch, { requests: 1, readyMs: 60_000 }, true],
  ["too much memory right after loading", tooMuch, { requests: 1, readyMs: 10 }, true],
  ["too much memory while no request runs", tooMuch, { requests: 0, readyMs: 60_000 }, false],
  ["a full heap while no request runs", fullHeap, { requests: 0, readyMs: 10 }, true],
])("%s", (_, memory, load, refused) => {
  expect(refuses(memory, limits, load)).toBe(refused);
});
