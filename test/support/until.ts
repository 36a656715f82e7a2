/**
 * Waiting with an end: a test that waits for what does not come fails by itself and says what it waited for. The limits only
 * keep a broken test from hanging; they are no expectation of how long a thing takes.
 */

import { vi } from "vitest";

/** For machines that others use too, and below vitest's own limit for a test, which cannot say what is missing. */
export const patienceMs = 120_000;

/** For what has no event of its own, as a counter that moves on another thread. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs = patienceMs): Promise<void> {
  try {
    await vi.waitUntil(condition, { timeout: limitMs, interval: 5 });
  } catch (error) {
    const timedOut = error instanceof Error && error.message.includes("Timed out in waitUntil");
    throw timedOut ? new Error(`waited ${limitMs / 1000} s in vain until ${condition.toString()}`) : error;
  }
}

/** What comes by an event. `what` is told when it does not. */
export async function within<Value>(promise: Promise<Value>, what: () => string, limitMs = patienceMs): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limitMs / 1000} s in vain for ${what()}`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
