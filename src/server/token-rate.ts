/**
 * How many tokens a second the engine got done lately, and how many came in: moving averages over half a minute. Only time in
 * which the engine had something to do counts for what it can do, so that a quiet hour does not make it look slow.
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

  /** To be told whenever the queue changed: then the time since is busy exactly when it was not empty before. */
  observe({ tokensComputed, tokensReused, tokensQueued }: TokenFigures): void {
    const at = this.#now();
    const latest = this.#latest;
    const done = tokensComputed + tokensReused;
    this.#latest = { at, done, queued: tokensQueued };
    if (!latest) return;
    const seconds = (at - latest.at) / 1000;
    const kept = Math.exp(-seconds / memorySeconds);
    const busy = latest.queued > 0;
    this.#done = this.#done * kept + done - latest.done;
    this.#busySeconds = this.#busySeconds * kept + (busy ? seconds : 0);
    this.#arrived *= kept;
    this.#seconds = this.#seconds * kept + seconds;
  }

  /** Tokens of a request that was let in. */
  arrived(tokens: number): void {
    this.#arrived += tokens;
  }

  /** Tokens a second that the engine gets done while it has something to do; undefined while none was done. */
  get capacity(): number | undefined {
    return this.#done > 0 && this.#busySeconds > 0 ? this.#done / this.#busySeconds : undefined;
  }

  /** Tokens a second that came in. */
  get arriving(): number {
    return this.#arrived / Math.max(memorySeconds, this.#seconds);
  }
}
