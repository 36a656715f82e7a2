/** The same pair has the same score, bit for bit, whatever the batch. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Reranker } from "../../src/reranker.js";
import type { LoadOptions } from "../../src/types.js";
import { sampled } from "../support/nightly.js";
import { type ModelFiles, randomModel, wideShape } from "../support/random-models.js";
import { mixedDocuments, text } from "../support/texts.js";

const query = "how do machines learn to rank documents?";
const documents = mixedDocuments(64, 1, 400, 5);
const sample = [0, 1, 7, 31, 62, 63];
const precisions = sampled(["f32", "f16", "bf16", "q8_0", "q4_k_m", "q5_k_m"] as const, 4);
/** Without caches every pair is computed. */
const uncached = { documentCacheMb: 0, scoreCacheMb: 0 };

async function scores(reranker: Reranker, list: readonly string[]): Promise<Float32Array> {
  return (await reranker.score({ query, documents: list })).scores;
}

/** The 32 bits of each float: equal means identical. */
function bits(values: Float32Array): number[] {
  return Array.from(new Uint32Array(values.buffer, values.byteOffset, values.length));
}

function pick(list: readonly string[], indices: readonly number[]): string[] {
  return indices.map((index) => list[index] as string);
}

describe.each(precisions)("with %s weights", (precision) => {
  let files: ModelFiles;
  let reranker: Reranker;
  let alone: number[];

  const load = (options: Partial<LoadOptions>) =>
    Reranker.load({ ...files, contextSize: 1024, gpuLayers: 0, reproducible: "exact", ...uncached, ...options });

  beforeAll(async () => {
    files = await randomModel(wideShape, precision);
    reranker = await load({});
    alone = [];
    for (const index of sample) alone.push(...bits(await scores(reranker, pick(documents, [index]))));
  });
  afterAll(() => reranker.close());

  it("scores a pair in a batch of 64 as alone", async () => {
    const all = bits(await scores(reranker, documents));
    expect(sample.map((index) => all[index])).toEqual(alone);
  });

  it("scores a pair the same first and last", async () => {
    const [others, reversed] = [documents.slice(12, 22), [...sample].reverse()];
    const first = bits(await scores(reranker, [...pick(documents, sample), ...others]));
    const last = bits(await scores(reranker, [...others, ...pick(documents, reversed)]));
    expect(first.slice(0, sample.length)).toEqual(alone);
    expect(last.slice(others.length).reverse()).toEqual(alone);
  });

  it("scores a pair in chunks as whole", async () => {
    const chunked = await load({ batchTokens: 64 });
    try {
      expect(bits(await scores(chunked, pick(documents, sample)))).toEqual(alone);
      const long = text(900, 77);
      expect(bits(await scores(chunked, [...pick(documents, sample), long]))).toEqual(
        bits(await scores(reranker, [...pick(documents, sample), long])),
      );
    } finally {
      await chunked.close();
    }
  });

  it("scores a pair the same while other requests run", async () => {
    const [, first, second] = await Promise.all([
      scores(reranker, documents),
      scores(reranker, pick(documents, sample)),
      scores(reranker, pick(documents, sample)),
    ]);
    expect(bits(first)).toEqual(alone);
    expect(bits(second)).toEqual(alone);
  });

  it("scores the same with one thread", async () => {
    const single = await load({ threads: 1 });
    try {
      expect(bits(await scores(single, pick(documents, sample)))).toEqual(alone);
    } finally {
      await single.close();
    }
  });
});

it("is so on a CPU whatever is asked for", async () => {
  const files = await randomModel(wideShape, "f32");
  const reranker = await Reranker.load({ ...files, contextSize: 1024, gpuLayers: 0, reproducible: "fast", ...uncached });
  try {
    expect(reranker.info.reproducible).toBe("exact");
  } finally {
    await reranker.close();
  }
});
