/**
 * Limits the memory for the bodies of all requests in flight, and for the pixels of their images. A body counts from before it is
 * read until its request is over. Large bodies may have three quarters of the memory, so that a few of them leave room for small
 * ones.
 */

const largeBytes = 2 ** 20;
const shareOfLarge = 0.75;

/** The memory that one request holds. */
export interface BodyLease {
  /** `bytes`: in all. False when there is no room for them; then the lease stays as it was. */
  growTo(bytes: number): boolean;
  /** As `growTo`, by `bytes` more. True also when no other request holds any: it would never have a better chance. */
  growBy(bytes: number): boolean;
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
    const grow = (more: number, whatever: boolean) => {
      const [before, after] = [large(held), large(held + more)];
      const fits =
        more === 0 ||
        (this.#bytes + more <= this.#totalBytes &&
          (after === 0 || this.#largeBytes - before + after <= this.#totalBytes * shareOfLarge));
      if (!fits && !whatever) return false;
      held += more;
      this.#bytes += more;
      this.#largeBytes += after - before;
      return true;
    };
    const growTo = (bytes: number) => grow(Math.max(0, bytes - held), false);
    const growBy = (bytes: number) => grow(bytes, this.#bytes === held);
    const release = () => {
      this.#bytes -= held;
      this.#largeBytes -= large(held);
      held = 0;
    };
    return { growTo, growBy, release };
  }
}

function large(bytes: number): number {
  return bytes > largeBytes ? bytes : 0;
}
