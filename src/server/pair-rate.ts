/**
 * How many pairs a second the engine scored lately: a moving average over the time in which it had something to do, so
 * that a quiet hour does not make it look slow.
 */

/** The stats that it is told. */
export interface QueueFigures {
  readonly pairsScored: number;
  readonly pairsQueued: number;
}

/** Seconds after which a measurement counts a third. */
const memorySeconds = 30;

export class PairRate {
  readonly #now: () => number;
  #latest: { readonly at: number; readonly figures: QueueFigures } | undefined;
  #pairs = 0;
  #busySeconds = 0;

  /** `now`: milliseconds of a clock that only goes forward. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** To be told whenever the queue changed: then the time since is busy exactly when it was not empty before. */
  observe({ pairsScored, pairsQueued }: QueueFigures): void {
    const at = this.#now();
    const latest = this.#latest;
    this.#latest = { at, figures: { pairsScored, pairsQueued } };
    if (!latest || latest.figures.pairsQueued === 0) return;
    const seconds = (at - latest.at) / 1000;
    const kept = Math.exp(-seconds / memorySeconds);
    this.#pairs = this.#pairs * kept + pairsScored - latest.figures.pairsScored;
    this.#busySeconds = this.#busySeconds * kept + seconds;
  }

  /** Seconds that this many pairs take. While none was scored, the one that runs takes at least as long as it did so far. */
  secondsFor(pairs: number): number {
    return (pairs * this.#busySeconds) / Math.max(this.#pairs, 1);
  }
}
