/**
 * Limits the memory for the bodies of all requests in flight. A body counts from before it is read until its request is over. Large
 * bodies may have three quarters of the memory, so that a few of them leave room for small ones.
 */

const largeBytes = 2 ** 20;
const shareOfLarge = 0.75;

/** The memory that one request holds. */
export interface BodyLease {
  /** `bytes`: in all. False when there is no room for them; then the lease stays as it was. */
  growTo(bytes: number): boolean;
  /** Idempotent. */
  release(): void;
}

export class BodyBudget {
  readonly #totalBytes: number;
  #bytes = 0;
  #largeBytes = 0;

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  lease(): BodyLease {
    let held = 0;
    const growTo = (bytes: number) => {
      const more = Math.max(0, bytes - held);
      const [before, after] = [large(held), large(held + more)];
      if (this.#bytes + more > this.#totalBytes) return false;
      if (after > 0 && this.#largeBytes - before + after > this.#totalBytes * shareOfLarge) return false;
      held += more;
      this.#bytes += more;
      this.#largeBytes += after - before;
      return true;
    };
    const release = () => {
      this.#bytes -= held;
      this.#largeBytes -= large(held);
      held = 0;
    };
    return { growTo, release };
  }
}

function large(bytes: number): number {
  return bytes > largeBytes ? bytes : 0;
}
