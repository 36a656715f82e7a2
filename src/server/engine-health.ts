/**
 * Judges by its results whether the engine works. The engine counts as failed after several failures in a row, and while neither a
 * batch nor a slice of an image's encoding ends. One success makes it healthy again. While it is failed it is tried once a second, also without requests.
 */

import type { EngineStats } from "../../binding.js";
import { type ErrorCode, RerankError } from "../errors.js";

/** Errors that are the engine's fault, whatever the request. */
const faults: readonly ErrorCode[] = ["engine_error", "invalid_score", "out_of_memory"];
const failuresInARow = 3;
const retryMs = 1000;

export interface EngineHealthOptions {
  /** Scores one short pair, and calls `succeeded` or `failed`. */
  readonly probe: () => Promise<void>;
  /** A batch that takes longer counts as one that does not end. */
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

  /** Call it before pairs are submitted, so that idle time does not count as a stall. */
  starting(stats: EngineStats): void {
    this.#stall(stats);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#cancelRetry();
  }

  /** Errors that are not the engine's fault do not count. */
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

  /** Ends the tries. */
  stop(): void {
    this.#stopped = true;
    this.#cancelRetry();
  }

  #cancelRetry(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
  }

  #stall({ pairsQueued, batches, imageEncodeMs, jobsCompleted, jobsFailed }: EngineStats): string | undefined {
    // Cancelled jobs are no progress: while a device hangs, all jobs end that way.
    const count = batches + imageEncodeMs + jobsCompleted + jobsFailed;
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
      // An async function, so that a probe that throws at once is a failed try too.
      const attempt = async () => this.#options.probe();
      // The probe reported its result itself.
      const again = () => {
        if (this.#retry !== tried) return;
        this.#retry = undefined;
        this.#retryLater();
      };
      attempt().then(again, again);
    }, retryMs).unref();
  }
}
