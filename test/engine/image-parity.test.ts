/** A pair with an image, whose rows come as embeddings with positions of their own, against the float64 forward pass. */

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { ScoreHead } from "../../binding.js";
import { readScoreHead } from "../../src/model/head.js";
import { forward, type Position, type Row, readGguf } from "../reference/forward.js";
import { randomModel, type Shape } from "../support/random-models.js";

const build = join(import.meta.dirname, "..", "..", "build");
const shape: Shape = {
  layers: 3,
  embeddingLength: 256,
  headLength: 64,
  kvHeads: 2,
  feedForwardLength: 512,
  vocabularySize: 4000,
  type: "f32",
  seed: 41,
};

interface Rows {
  rows: Row[];
  positions: Position[];
}

/** Text has one position in all three directions; an image's rows share t, and what follows begins behind its longer side. */
function imagePair(before: number[], [gridHeight, gridWidth]: [number, number], after: number[]): Rows {
  const text = (tokens: number[], first: number): Position[] =>
    tokens.map((_, index) => [first + index, first + index, first + index]);
  const at = before.length;
  const places = Array.from({ length: gridHeight * gridWidth }, (_, index) => index);
  return {
    rows: [...before, ...places.map(embedding), ...after],
    positions: [
      ...text(before, 0),
      ...places.map((index): Position => [at, at + Math.floor(index / gridWidth), at + (index % gridWidth)]),
      ...text(after, at + Math.max(gridHeight, gridWidth)),
    ],
  };
}

/** Numbers about as large as those of the embedding table, the same for the same seed. */
function embedding(seed: number): Float64Array {
  return Float64Array.from({ length: shape.embeddingLength }, (_, index) =>
    Math.fround(1.5 * Math.sin((seed + 1) * (index + 1) * 12.9898)),
  );
}

/** The engine's logit. */
async function score(modelPath: string, head: ScoreHead, { rows, positions }: Rows): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "jina-reranker-rows-"));
  try {
    const [headPath, rowsPath] = [join(directory, "head"), join(directory, "rows")];
    await writeFile(headPath, Float32Array.from([...head.w1, ...head.b1, ...head.w2, head.b2, head.logitBias]));
    const ids = rows.flatMap((row, index) => [typeof row === "number" ? row : -1, ...(positions[index] as Position)]);
    const embeddings = rows.flatMap((row) => (typeof row === "number" ? [] : Array.from(row)));
    await writeFile(rowsPath, Buffer.concat([bytes(Int32Array.of(rows.length, ...ids)), bytes(Float32Array.from(embeddings))]));
    const args = [join(build, "Release"), modelPath, headPath, rowsPath];
    const { stdout } = await promisify(execFile)(join(build, "tests", "forward-run"), args);
    return Number(stdout);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function bytes({ buffer, byteOffset, byteLength }: Int32Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

const pairs: Record<string, Rows> = {
  "text alone": imagePair([5, 17, 900, 33], [0, 0], [8, 9, 77, 1200]),
  "a wide image before text": imagePair([334, 1724, 334, 510], [2, 5], [198, 334, 2859, 334, 510, 61, 100]),
  "a high image before text": imagePair([334, 1724, 334, 510], [9, 4], [198, 334, 2859, 334, 510, 61, 100]),
};

/** What a mistake in the positions would be. */
const mistakes: Record<string, (position: Position, index: number) => Position> = {
  "height and width swapped": ([t, h, w]) => [t, w, h],
  "positions that count rows": (_, index) => [index, index, index],
  "text behind the image that begins one later": ([t, h, w], index) => (index < 40 ? [t, h, w] : [t + 1, h + 1, w + 1]),
};

describe("the logit of", () => {
  it.each(Object.entries(pairs))("%s is that of float64 within 1e-5", async (_, rows) => {
    const { modelPath, headPath } = await randomModel(shape);
    const [file, head] = [await readGguf(modelPath), await readScoreHead(headPath)];
    const difference = Math.abs((await score(modelPath, head, rows)) - forward(file, head, rows.rows, rows.positions).logit);
    expect(difference).toBeLessThan(1e-5);
  });

  it.each(Object.entries(mistakes))("an image with %s is another", async (_, mistake) => {
    const { modelPath, headPath } = await randomModel(shape);
    const [file, head] = [await readGguf(modelPath), await readScoreHead(headPath)];
    const rows = pairs["a high image before text"] as Rows;
    const wrong = forward(file, head, rows.rows, rows.positions.map(mistake)).logit;
    expect(Math.abs((await score(modelPath, head, rows)) - wrong)).toBeGreaterThan(1e-3);
  });
});
