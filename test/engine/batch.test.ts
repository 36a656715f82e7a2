/** The same pair has the same score, whatever the batch: bit for bit in exact mode, within a tolerance in fast mode. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { native } from "../../src/native/index.js";
import { Reranker } from "../../src/reranker.js";
import type { LoadOptions } from "../../src/types.js";
import { type ModelFiles, randomModel, wideShape } from "../support/random-models.js";
import { mixedDocuments, text } from "../support/texts.js";

const query = "how do machines learn to rank documents?";
const documents = mixedDocuments(64, 1, 400, 5);
const sample = [0, 1, 7, 31, 62, 63];
const precisions = ["f32", "f16", "bf16", "q8_0", "q4_k_m", "q5_k_m"] as const;
/** Without caches every pair is computed. */
const uncached = { documentCacheMb: 0, scoreCacheMb: 0 };
const tolerance = { f32: 1e-3, f16: 1e-3, bf16: 1e-2, q8_0: 1e-2, q4_k_m: 1e-2, q5_k_m: 1e-2 };

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

describe.each(precisions)("in exact mode, %s weights", (precision) => {
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

describe.each(precisions)("in fast mode, %s weights", (precision) => {
  it("scores a pair in a batch as alone, within the documented tolerance", async () => {
    const files = await randomModel(wideShape, precision);
    const reranker = await Reranker.load({ ...files, contextSize: 1024, gpuLayers: 0, reproducible: "fast", ...uncached });
    try {
      const all = await scores(reranker, documents);
      for (const index of sample) {
        const [alone] = await scores(reranker, pick(documents, [index]));
        expect(Math.abs((alone as number) - (all[index] as number))).toBeLessThan(tolerance[precision]);
      }
    } finally {
      await reranker.close();
    }
  });
});

// ggml multiplies a pair's rows differently beside others, and the layers amplify that. So equal scores show that ggml's products
// are not used.
const ownProducts = process.arch === "x64" && process.platform !== "win32" && native.backends().cpuFeatures.includes("AVX2");
describe.skipIf(!ownProducts)("with quantised weights on x86-64 with AVX2", () => {
  // Q4_K_M holds Q4_K and Q6_K, Q5_K_M holds Q5_K.
  it.each(["q4_k_m", "q5_k_m"] as const)(
    "%s: fast mode differs from exact mode by what the score head rounds",
    async (precision) => {
      const files = await randomModel(wideShape, precision);
      const load = (reproducible: "exact" | "fast") =>
        Reranker.load({ ...files, contextSize: 1024, gpuLayers: 0, reproducible, ...uncached });
      const [exact, fast] = [await load("exact"), await load("fast")];
      try {
        const all = await scores(exact, documents);
        const differences: number[] = [];
        for (const index of sample) {
          const [alone] = await scores(fast, pick(documents, [index]));
          differences.push(Math.abs((alone as number) - (all[index] as number)));
        }
        expect(Math.max(...differences)).toBeLessThan(1e-6);
      } finally {
        await Promise.all([exact.close(), fast.close()]);
      }
    },
  );
});
