/** The numbers and pictures that test/reference/image-goldens.py draws. */

import type { Pixels } from "../../src/images/bicubic.js";

/** The linear congruential generator of Numerical Recipes. */
export class Draws {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return (this.#state >>> 8) % limit;
  }
}

/** Edges, flat areas and rows that repeat, as on a page. */
export function structuredImage(draws: Draws, width: number, height: number): Pixels {
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const row = y * width * 3;
    if (y > 0 && draws.below(4) === 0) {
      rgb.copyWithin(row, row - width * 3, row);
      continue;
    }
    for (let x = 0; x < width; x++) {
      const pixel = row + x * 3;
      const kind = draws.below(8);
      if (x > 0 && kind < 4) rgb.copyWithin(pixel, pixel - 3, pixel);
      else if (kind < 7) rgb.fill(255 * (kind & 1), pixel, pixel + 3);
      else rgb.set([draws.below(256), draws.below(256), draws.below(256)], pixel);
    }
  }
  return { width, height, rgb };
}
