/** Images made by code: what is where shows, so that a wrong order or position does. */

import type { Image } from "../reference/vision.js";

/** A gradient in each colour, a bright rectangle, and noise that the seed gives. */
export function structuredImage(width: number, height: number, seed: number): Image {
  const rgb = new Uint8Array(width * height * 3);
  let state = seed;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const bright = x > width / 2 && y < height / 3 ? 90 : 0;
      const noise = state >>> 26;
      const colours = [(100 * x) / width, (100 * y) / height, (50 * (x + 2 * y)) / (width + height)];
      for (const [colour, value] of colours.entries()) rgb[(y * width + x) * 3 + colour] = Math.floor(value + bright + noise);
    }
  }
  return { width, height, rgb };
}
