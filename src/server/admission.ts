/**
 * Which requests get in: all pairs of a request or none, decided before any work on it. Runs on the JavaScript thread,
 * where nothing comes between the decision and the hand-over to the engine, so the engine's own limit is never met first.
 */

import { RerankError } from "../errors.js";
import type { Reranker } from "../reranker.js";
import { PairRate } from "./pair-rate.js";

/** The part of a Reranker that admission looks at. */
export type Queue = Pick<Reranker, "limits"> & {
  stats(): Pick<ReturnType<Reranker["stats"]>, "pairsQueued" | "pairsScored">;
};

/** Seconds: clients should not be sent away for longer, since the estimate does not see that far. */
const longestWait = 60;

export class Admission {
  readonly #rate: PairRate;

  constructor(rate = new PairRate()) {
    this.#rate = rate;
  }

  /** Throws queue_full when so many pairs more do not fit. */
  admit(queue: Queue, pairs: number): void {
    const stats = queue.stats();
    this.#rate.observe(stats);
    const { maxQueuedPairs } = queue.limits;
    if (stats.pairsQueued + pairs <= maxQueuedPairs) return;
    const message = `${stats.pairsQueued} of ${maxQueuedPairs} pairs are waiting; ${pairs} more do not fit; try again`;
    throw new RerankError("queue_full", message);
  }

  /** To be called when pairs were submitted, scored or dropped. */
  observe(queue: Queue): void {
    this.#rate.observe(queue.stats());
  }

  /** Whole seconds until there is room for so many pairs, if the engine goes on as it did lately. */
  retryAfterSeconds(queue: Queue, pairs: number): number {
    const stats = queue.stats();
    this.#rate.observe(stats);
    const surplus = Math.max(0, stats.pairsQueued + pairs - queue.limits.maxQueuedPairs);
    return Math.min(longestWait, Math.max(1, Math.ceil(this.#rate.secondsFor(surplus))));
  }
}
