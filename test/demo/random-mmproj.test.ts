/** Generated vision towers have the requested shape, the same bytes every time, and the same values in every type. */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type RandomMmprojOptions, writeRandomMmproj } from "../../src/demo/random-mmproj.js";
import { readGguf } from "../reference/gguf-file.js";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "jina-reranker-mmproj-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const write = (name: string, part: Partial<RandomMmprojOptions> = {}) =>
  writeRandomMmproj({
    directory,
    name,
    layers: 2,
    embeddingLength: 64,
    headLength: 32,
    feedForwardLength: 96,
    projectionLength: 128,
    type: "f32",
    seed: 1,
    ...part,
  });

it("has the shape that was asked for", async () => {
  const { metadata, tensors } = await readGguf(await write("shape"));
  expect(Object.fromEntries(metadata)).toMatchObject({
    "general.architecture": "clip",
    "clip.projector_type": "qwen2vl_merger",
    "clip.vision.block_count": 2,
    "clip.vision.embedding_length": 64,
    "clip.vision.attention.head_count": 2,
    "clip.vision.projection_dim": 128,
  });
  expect(metadata.get("clip.vision.image_mean")).toHaveLength(3);
  // Two frames' patches, 16 tensors a layer, the last norm and the merger's two matrices with their biases.
  expect(tensors.size).toBe(2 + 2 * 16 + 2 + 4);
  expect(tensors.get("v.patch_embd.weight.1")?.shape).toEqual([14, 14, 3, 64]);
  expect(tensors.get("v.blk.1.ffn_down.weight")?.shape).toEqual([96, 64]);
  expect(tensors.get("mm.2.weight")?.shape).toEqual([256, 128]);
});

it("depends on its seed only", async () => {
  const [first, second, other] = await Promise.all([write("seed1"), write("seed1-again"), write("seed2", { seed: 2 })]);
  expect((await readFile(second)).equals(await readFile(first))).toBe(true);
  expect((await readFile(other)).equals(await readFile(first))).toBe(false);
});

it.each([
  ["f16", 2 ** -11],
  // Half a step of 127 to the largest of 32, and the rounding of the scale.
  ["q8_0", 0.5 / 127 + 2 ** -11],
] as const)("has its matrices rounded to %s, and everything else in F32", async (type, rounding) => {
  const single = await readGguf(await write(`${type}-single`));
  const rounded = await readGguf(await write(type, { type }));
  for (const [name, { shape, values }] of single.tensors) {
    const tensor = rounded.tensors.get(name);
    expect(tensor?.type).toBe(shape.length === 2 ? type : "f32");
    for (let begin = 0; begin < values.length; begin += 32) {
      const block = values.subarray(begin, begin + 32);
      const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const worst = block.reduce(
        (most, value, index) => Math.max(most, Math.abs(value - (tensor?.values[begin + index] ?? Number.NaN))),
        0,
      );
      expect(worst).toBeLessThanOrEqual(shape.length === 2 ? largest * rounding : 0);
    }
  }
});
