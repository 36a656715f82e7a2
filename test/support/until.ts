/**
 * Waits with a time limit. A test that waits in vain fails and says what it waited for. The limits only keep a broken test from
 * hanging: they do not say how long anything should take.
 */

import { type EventEmitter, once } from "node:events";
import { vi } from "vitest";

/**
 * Long, because machines may be busy, but shorter than vitest's limit for a test, whose failure would not say what is missing.
 */
export const patienceMs = 120_000;

/** Polls. For conditions without an event, such as a counter of another thread. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs = patienceMs): Promise<void> {
  try {
    await vi.waitUntil(condition, { timeout: limitMs, interval: 5 });
  } catch (error) {
    const timedOut = error instanceof Error && error.message.includes("Timed out in waitUntil");
    throw timedOut ? new Error(`waited ${limitMs / 1000} s in vain until ${condition.toString()}`) : error;
  }
}

/** Waits for the next event of an emitter; `whose` names the emitter in the error when the time is over. */
export function event(emitter: EventEmitter, name: string, whose: string, limitMs = patienceMs) {
  return within(once(emitter, name), () => `"${name}" of ${whose}`, limitMs);
}

/** Waits for a promise; `what` names it in the error when the time is over. */
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
