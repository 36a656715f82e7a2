/** Lets the event loop do other things while something long is computed. */

import { setImmediate } from "node:timers/promises";

/** Of computing, between two turns of the event loop. */
const turnMs = 5;

/** What the steps return. Rejects with the signal's reason. */
export async function inTurns<Value>(steps: Iterator<void, Value>, signal: AbortSignal | undefined): Promise<Value> {
  for (let begun = performance.now(); ; ) {
    const step = steps.next();
    if (step.done) return step.value;
    if (performance.now() - begun < turnMs) continue;
    await setImmediate();
    signal?.throwIfAborted();
    begun = performance.now();
  }
}
