/** Waits before a request is sent again. */

import { expect, test } from "vitest";
import { backoffMs, retryAfterMs } from "../../src/retries/delays.js";

test("waits double from the first one up to the longest", () => {
  const waits = [1, 2, 3, 4, 5].map((failures) => backoffMs({ firstMs: 250, longestMs: 1500 }, failures));
  expect(waits).toEqual([250, 500, 1000, 1500, 1500]);
});

const date = "Thu, 01 Jan 2026 12:00:00 GMT";

test.each([
  ["", undefined],
  ["0", 0],
  [" 7 ", 7000],
  ["Thu, 01 Jan 2026 12:00:30 GMT", 30_000],
  ["Thu, 01 Jan 2026 11:00:00 GMT", 0],
  ["soon", undefined],
  ["1e3", undefined],
  ["Infinity", undefined],
])("Retry-After: %s is %s ms", (header, ms) => {
  expect(retryAfterMs(new Headers({ date, "retry-after": header }))).toBe(ms);
});

test("without the server's own clock a date is compared with ours", () => {
  const inAMinute = new Date(Date.now() + 60_000).toUTCString();
  const ms = retryAfterMs(new Headers({ "retry-after": inAMinute })) ?? 0;
  expect(ms).toBeGreaterThan(50_000);
  expect(ms).toBeLessThanOrEqual(60_000);
  expect(retryAfterMs(new Headers())).toBeUndefined();
});
