/**
 * How much work a second the engine got done lately, and how much came in: moving averages over half a minute. Only time in
 * which it had at least a batch to do counts for what it can do: neither a quiet hour nor small requests one by one, which
 * leave most of a batch empty, make it look slow. Work is in tokens that attend to nothing (binding.d.ts, `workQueued`).
 */

import type { EngineStats } from "../../binding.js";

/** The stats that it is told. */
export type WorkFigures = Pick<EngineStats, "workDone" | "workQueued">;

/** Seconds after which a measurement counts a third. */
const memorySeconds = 30;

/** Busy seconds before which nothing is known: a batch that happens to end between two looks is no rate. */
const leastSeconds = 1;

export class WorkRate {
  readonly #now: () => number;
  #latest: { readonly at: number; readonly done: number; readonly queued: number } | undefined;
  #done = 0;
  #arrived = 0;
  #busySeconds = 0;
  #seconds = 0;

  /** `now`: milliseconds of a clock that only goes forward. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** To be told whenever the queue changed: then the time since is busy exactly when there was a batch to do before. */
  observe({ workDone, workQueued }: WorkFigures, batchTokens: number): void {
    const at = this.#now();
    const latest = this.#latest;
    this.#latest = { at, done: workDone, queued: workQueued };
    if (!latest) return;
    const seconds = (at - latest.at) / 1000;
    const kept = Math.exp(-seconds / memorySeconds);
    if (latest.queued >= batchTokens) {
      this.#done = this.#done * kept + workDone - latest.done;
      this.#busySeconds = this.#busySeconds * kept + seconds;
    }
    this.#arrived *= kept;
    this.#seconds = this.#seconds * kept + memorySeconds * (1 - kept);
  }

  /** Of a request that was let in. */
  arrived(work: number): void {
    this.#arrived += work;
  }

  /** A second, that the engine gets done while it has a batch to do; undefined until enough was done to tell. */
  get capacity(): number | undefined {
    return this.#done > 0 && this.#busySeconds >= leastSeconds ? this.#done / this.#busySeconds : undefined;
  }

  /** A second, that came in. */
  get arriving(): number {
    return this.#arrived / Math.max(leastSeconds, this.#seconds);
  }
}
