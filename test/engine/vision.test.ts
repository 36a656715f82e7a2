/** The vision tower against a plain float64 computation over the same weights and pixels. */

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { MmprojShape } from "../../src/demo/random-mmproj.js";
import type { TensorType } from "../../src/gguf/header.js";
import { readGguf } from "../reference/gguf-file.js";
import { type Image, rasterOrder, type Variation, vision } from "../reference/vision.js";
import { structuredImage } from "../support/images.js";
import { randomMmproj } from "../support/random-models.js";

const build = join(import.meta.dirname, "..", "..", "build");

const shapes: Record<string, MmprojShape> = {
  "2 layers, heads of 32": { layers: 2, embeddingLength: 64, headLength: 32, feedForwardLength: 256, projectionLength: 256 },
  "3 layers, heads of 80": { layers: 3, embeddingLength: 160, headLength: 80, feedForwardLength: 320, projectionLength: 64 },
  "2 layers as wide as products of our own need": {
    layers: 2,
    embeddingLength: 256,
    headLength: 64,
    feedForwardLength: 512,
    projectionLength: 256,
  },
  "2 layers, heads of 8": { layers: 2, embeddingLength: 32, headLength: 8, feedForwardLength: 96, projectionLength: 32 },
};
const typical = shapes["2 layers, heads of 32"] as MmprojShape;

/** The engine's embeddings, one after the other. */
async function embed(path: string, { projectionLength }: MmprojShape, { width, height, rgb }: Image): Promise<Float32Array> {
  const directory = await mkdtemp(join(tmpdir(), "jina-reranker-vision-"));
  try {
    const [pixels, output] = [join(directory, "rgb"), join(directory, "embeddings")];
    await writeFile(pixels, rgb);
    const args = [join(build, "Release"), path, projectionLength, pixels, width, height, output].map(String);
    await promisify(execFile)(join(build, "tests", "vision-run"), args);
    return new Float32Array(new Uint8Array(await readFile(output)).buffer);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The largest difference, as a part of the largest number. */
function difference(actual: ArrayLike<number>, expected: Float64Array): number {
  expect(actual.length).toBe(expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return expected.reduce((most, value, index) => Math.max(most, Math.abs(value - (actual[index] as number))), 0) / largest;
}

async function reference(path: string, image: Image, variation?: Variation): Promise<Float64Array> {
  return Float64Array.from(vision(await readGguf(path), image, variation).flatMap((row) => Array.from(row)));
}

/** F16 rounds activations to 11 bits, Q8_0 to 8. */
const tolerance: Record<TensorType, number> = { f32: 1e-5, f16: 5e-3, q8_0: 5e-2 };

describe.each(Object.entries(shapes))("a random tower of %s", (_, shape) => {
  it.each(["f32", "f16", "q8_0"] as const)("gives the float64 embeddings with %s weights", async (type) => {
    const path = await randomMmproj({ ...shape, type, seed: 21 });
    for (const [width, height] of [
      [168, 112],
      [28, 84],
      [56, 56],
    ] as const) {
      const image = structuredImage(width, height, 5);
      expect(difference(await embed(path, shape, image), await reference(path, image))).toBeLessThan(tolerance[type]);
    }
  });
});

describe("the comparison would notice", () => {
  const mistakes: Record<string, Variation> = {
    "rows and columns swapped": { turns: ({ row, column }) => [column, row] },
    "positions of 0": { turns: () => [0, 0] },
    "raster instead of block order": { places: rasterOrder },
    "the mean of another colour": { mean: ([red, green, blue]) => [blue, red, green] as number[] },
  };
  it.each(Object.entries(mistakes))("%s", async (_, mistake) => {
    const path = await randomMmproj({ ...typical, type: "f32", seed: 21 });
    const image = structuredImage(168, 112, 5);
    const embeddings = await embed(path, typical, image);
    expect(difference(embeddings, await reference(path, image, mistake))).toBeGreaterThan(5 * tolerance.q8_0);
  });
});
