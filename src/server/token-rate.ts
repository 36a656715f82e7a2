/**
 * How many tokens a second the engine got done lately, and how many came in: moving averages over half a minute. Only time in
 * which it had at least a batch to do counts for what it can do: neither a quiet hour nor small requests one by one, which
 * leave most of a batch empty, make it look slow.
 */

import type { EngineStats } from "../../binding.js";

/** The stats that it is told. */
export type TokenFigures = Pick<EngineStats, "tokensComputed" | "tokensReused" | "tokensQueued">;

/** Seconds after which a measurement counts a third. */
const memorySeconds = 30;

export class TokenRate {
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
  observe({ tokensComputed, tokensReused, tokensQueued }: TokenFigures, batchTokens: number): void {
    const at = this.#now();
    const latest = this.#latest;
    const done = tokensComputed + tokensReused;
    this.#latest = { at, done, queued: tokensQueued };
    if (!latest) return;
    const seconds = (at - latest.at) / 1000;
    const kept = Math.exp(-seconds / memorySeconds);
    const busy = latest.queued >= batchTokens;
    this.#done = this.#done * kept + (busy ? done - latest.done : 0);
    this.#busySeconds = this.#busySeconds * kept + (busy ? seconds : 0);
    this.#arrived *= kept;
    this.#seconds = this.#seconds * kept + seconds;
  }

  /** Tokens of a request that was let in. */
  arrived(tokens: number): void {
    this.#arrived += tokens;
  }

  /** Tokens a second that the engine gets done while it has a batch to do; undefined while none was done. */
  get capacity(): number | undefined {
    return this.#done > 0 && this.#busySeconds > 0 ? this.#done / this.#busySeconds : undefined;
  }

  /** Tokens a second that came in. */
  get arriving(): number {
    return this.#arrived / Math.max(memorySeconds, this.#seconds);
  }
}
