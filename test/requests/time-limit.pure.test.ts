/** When the time of a request is over. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TimeLimit } from "../../src/requests/time-limit.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("is told once, also to who asks later, and to nobody without a limit", () => {
  const told: string[] = [];
  using limit = new TimeLimit(50);
  limit.whenOver(() => told.push("first"));
  vi.advanceTimersByTime(49);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(1);
  limit.whenOver(() => told.push("late"));
  new TimeLimit(undefined).whenOver(() => told.push("never"));
  vi.advanceTimersByTime(1000);
  expect(told).toEqual(["first", "late"]);
});

test("no timer outlives the request, and a limit of years does not end at once", () => {
  const told: string[] = [];
  {
    using limit = new TimeLimit(2 ** 40);
    limit.whenOver(() => told.push("over"));
    vi.advanceTimersByTime(1000);
    expect(vi.getTimerCount()).toBe(1);
  }
  expect([vi.getTimerCount(), told]).toEqual([0, []]);
});

test("an action has its value, its error, or nothing when the time is over before", async () => {
  using limit = new TimeLimit(50);
  const never = (signal: AbortSignal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  expect(await limit.within(undefined, async () => 1)).toBe(1);
  await expect(limit.within(undefined, () => Promise.reject(new Error("unreadable")))).rejects.toThrow("unreadable");
  const controller = new AbortController();
  const aborted = limit.within(controller.signal, never);
  controller.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  const late = limit.within(new AbortController().signal, never);
  vi.advanceTimersByTime(50);
  expect(await late).toBeUndefined();
});
