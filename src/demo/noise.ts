/** Nearly normal numbers. A table of them is drawn once and read from random offsets, which gives gigabytes in seconds. */
export class Noise {
  readonly #table = new Float32Array(1 << 20);
  #state: number;

  constructor(seed: number) {
    this.#state = (Math.imul(seed, 2654435761) + 1) >>> 0 || 1;
    for (let index = 0; index < this.#table.length; index++) {
      // A sum of four uniform numbers, scaled to variance 1.
      this.#table[index] = (this.#uniform() + this.#uniform() + this.#uniform() + this.#uniform() - 2) * Math.sqrt(3);
    }
  }

  /** xorshift32 as a number from 0 to 1. */
  #uniform(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) / 2 ** 32;
  }

  fill(block: Float32Array, scale: number, mean: number): void {
    const mask = this.#table.length - 1;
    // Runs of 64 from random offsets: otherwise rows of a matrix would be shifted copies of each other.
    for (let begin = 0; begin < block.length; begin += 64) {
      const from = Math.floor(this.#uniform() * this.#table.length);
      const end = Math.min(begin + 64, block.length);
      for (let index = begin; index < end; index++) {
        block[index] = (this.#table[(from + index - begin) & mask] as number) * scale + mean;
      }
    }
  }

  array(length: number, scale: number, mean = 0): Float32Array {
    const values = new Float32Array(length);
    this.fill(values, scale, mean);
    return values;
  }
}
