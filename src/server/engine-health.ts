/**
 * Whether the engine still works, judged by what came of the scores that were asked of it. Several failures in a row
 * without a success between them, or a batch that does not end, count as failed; one success makes it well again. While it is failed
 * and nobody asks for scores, it is tried once a second.
 */

import type { EngineStats } from "../../binding.js";
import { type ErrorCode, RerankError } from "../errors.js";

/** The engine's own fault, whatever the request. */
const faults: readonly ErrorCode[] = ["engine_error", "invalid_score", "out_of_memory"];
const failuresInARow = 3;
const retryMs = 1000;

export interface EngineHealthOptions {
  /** Scores something small, and reports what came of it here. */
  readonly probe: () => Promise<void>;
  /** A batch that takes longer is not going to end. */
  readonly stallMs: number;
  readonly now?: () => number;
}

export class EngineHealth {
  readonly #options: EngineHealthOptions;
  readonly #now: () => number;
  #failures = 0;
  #reason = "";
  #retry: NodeJS.Timeout | undefined;
  #stopped = false;
  #progress: { readonly at: number; readonly count: number } | undefined;

  constructor(options: EngineHealthOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** To be called before pairs are handed over: time in which the engine had nothing to do is no stall. */
  starting(stats: EngineStats): void {
    this.#stall(stats);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#cancelRetry();
  }

  /** What is not the engine's fault says nothing about it. */
  failed(error: unknown): void {
    if (!(error instanceof RerankError) || !faults.includes(error.code)) return;
    this.#failures += 1;
    this.#reason = `${error.code}: ${error.message}`;
    if (this.#failures >= failuresInARow) this.#retryLater();
  }

  /** Why the engine counts as failed; undefined = it does not. */
  failure(stats: EngineStats): string | undefined {
    if (this.#failures >= failuresInARow) return `the last ${this.#failures} scores failed; ${this.#reason}`;
    return this.#stall(stats);
  }

  /** No more tries, whatever still fails. */
  stop(): void {
    this.#stopped = true;
    this.#cancelRetry();
  }

  #cancelRetry(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
  }

  #stall({ pairsQueued, batches, jobsCompleted, jobsFailed }: EngineStats): string | undefined {
    // Jobs that were cancelled are no progress: while a device hangs, that is how all of them end.
    const count = batches + jobsCompleted + jobsFailed;
    const at = this.#now();
    if (pairsQueued === 0 || this.#progress?.count !== count) {
      this.#progress = { at, count };
      return undefined;
    }
    const stalledMs = at - this.#progress.at;
    if (stalledMs < this.#options.stallMs) return undefined;
    return `no batch ended for ${Math.floor(stalledMs / 1000)} s while ${pairsQueued} pairs wait`;
  }

  #retryLater(): void {
    if (this.#stopped) return;
    this.#retry ??= setTimeout(() => {
      const tried = this.#retry;
      // An async function, so that a probe that throws at once is a failed try as well.
      const attempt = async () => this.#options.probe();
      // What came of it was reported by the probe itself.
      const again = () => {
        if (this.#retry !== tried) return;
        this.#retry = undefined;
        this.#retryLater();
      };
      attempt().then(again, again);
    }, retryMs).unref();
  }
}
