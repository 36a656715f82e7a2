/**
 * Work per second that the engine does and that arrives: moving averages over half a minute. The engine's rate counts only time in
 * which at least a batch was waiting. Otherwise a quiet hour, or small requests that leave most of a batch empty, would make the
 * engine look slow. Work is counted in tokens that attend to nothing (binding.d.ts, `workQueued`).
 */

import type { EngineStats } from "../../binding.js";

/** The engine's figures that it reads. */
export type WorkFigures = Pick<EngineStats, "workDone" | "workQueued">;

/** Time constant in seconds: a measurement that old weighs 1/e. */
const memorySeconds = 30;

/** Busy seconds that it takes to know a rate. One batch that ends between two observations is none. */
const leastSeconds = 1;

export class WorkRate {
  readonly #now: () => number;
  #latest: { readonly at: number; readonly done: number; readonly queued: number } | undefined;
  #done = 0;
  #arrived = 0;
  #busySeconds = 0;
  #seconds = 0;

  /** `now`: a monotonic clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Call it at every change of the queue. The time since the last call counts as busy when a batch was waiting then. */
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

  /** Call it with the work of each admitted request. */
  arrived(work: number): void {
    this.#arrived += work;
  }

  /** Work per second that the engine does while it has a batch to do; undefined until that is known. */
  get capacity(): number | undefined {
    return this.#done > 0 && this.#busySeconds >= leastSeconds ? this.#done / this.#busySeconds : undefined;
  }

  /** Work per second that arrives. */
  get arriving(): number {
    return this.#arrived / Math.max(leastSeconds, this.#seconds);
  }
}
