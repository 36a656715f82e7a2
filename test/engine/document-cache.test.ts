/** The caches: a warm score is the cold one, bit for bit, and fewer tokens are computed for it. */

import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { Reranker } from "../../src/reranker.js";
import type { LoadOptions, ScoreResponse } from "../../src/types.js";
import { type ModelFiles, randomModel, wideShape } from "../support/random-models.js";
import { mixedDocuments, text } from "../support/texts.js";

const firstQuery = "how do machines learn to rank documents?";
const secondQuery = "which city has a river?";
const documents = mixedDocuments(24, 5, 300, 8);
let files: ModelFiles;
let loaded: Reranker[] = [];

beforeAll(async () => {
  files = await randomModel(wideShape);
});
afterEach(async () => {
  await Promise.all(loaded.map((reranker) => reranker.close()));
  loaded = [];
});

async function load(options: Partial<LoadOptions> = {}): Promise<Reranker> {
  const reranker = await Reranker.load({ ...files, contextSize: 2048, gpuLayers: 0, scoreCacheMb: 0, ...options });
  loaded.push(reranker);
  return reranker;
}

function bits({ logits }: ScoreResponse): number[] {
  return Array.from(new Uint32Array(logits.buffer, logits.byteOffset, logits.length));
}

describe.each(["f32", "f16", "q8_0", "q4_k_m"] as const)("with %s weights", (precision) => {
  it("a warm score is the cold one, bit for bit", async () => {
    const precise = await randomModel(wideShape, precision);
    const cold = await load({ ...precise, documentCacheMb: 0 });
    const warm = await load(precise);
    await warm.score({ query: firstQuery, documents });
    const expected = await cold.score({ query: secondQuery, documents });
    const answer = await warm.score({ query: secondQuery, documents: [...documents].reverse() });
    expect(bits(answer).reverse()).toEqual(bits(expected));
    expect(answer.timings.reusedTokens).toBeGreaterThan(0.6 * expected.usage.promptTokens);
    expect(answer.timings.reusedTokens + answer.timings.computedTokens).toBe(expected.usage.promptTokens);
    expect(answer.usage).toEqual(expected.usage);
  });
});

describe("documents of the same text in one request", () => {
  it("are computed each when deduplicate is off", async () => {
    const reranker = await load({ documentCacheMb: 0, deduplicate: false });
    const document = text(40, 1);
    const answer = await reranker.score({ query: firstQuery, documents: [document, document] });
    expect(answer.timings.computedTokens).toBe(answer.usage.promptTokens);
    expect(bits(answer)[1]).toBe(bits(answer)[0]);
  });

  it("are computed once and get the same score", async () => {
    const reranker = await load({ documentCacheMb: 0 });
    const [first, second] = [text(40, 1), text(60, 2)];
    const alone = await reranker.score({ query: firstQuery, documents: [first, second] });
    const answer = await reranker.score({ query: firstQuery, documents: [first, second, first, first] });
    expect(bits(answer)).toEqual([0, 1, 0, 0].map((index) => bits(alone)[index]));
    expect(answer.timings.computedTokens).toBe(alone.timings.computedTokens);
    expect(answer.usage.promptTokens).toBeGreaterThan(alone.usage.promptTokens);
  });
});

describe("the score cache", () => {
  it("answers a pair that was scored before without computing it", async () => {
    const reranker = await load({ documentCacheMb: 0, scoreCacheMb: 1 });
    const first = await reranker.score({ query: firstQuery, documents });
    const again = await reranker.score({ query: firstQuery, documents: documents.toReversed() });
    expect(bits(again).toReversed()).toEqual(bits(first));
    expect(again.timings).toMatchObject({ computedTokens: 0, reusedTokens: first.usage.promptTokens });
    expect(again.usage).toEqual(first.usage);
    expect(reranker.stats()).toMatchObject({ pairsRepeated: documents.length, tokensComputed: first.usage.promptTokens });
    const other = await reranker.score({ query: secondQuery, documents });
    expect(other.timings.reusedTokens).toBe(0);
  });

  it("switched off computes every pair again", async () => {
    const reranker = await load({ documentCacheMb: 0 });
    const first = await reranker.score({ query: firstQuery, documents });
    const again = await reranker.score({ query: firstQuery, documents });
    expect(bits(again)).toEqual(bits(first));
    expect(again.timings).toMatchObject({ computedTokens: first.usage.promptTokens, reusedTokens: 0 });
  });
});

describe("the document cache", () => {
  it("serves pairs that were waiting when their document was computed for another request", async () => {
    const reranker = await load({ batchTokens: 128 });
    const cold = await load({ documentCacheMb: 0, batchTokens: 128 });
    const same = documents.slice(0, 12);
    const requests = ["one", "two", "three"].map((word) => ({ query: `${firstQuery} ${word}`, documents: same }));
    const answers = await Promise.all(requests.map((request) => reranker.score(request)));
    expect(reranker.stats().pairsWarm).toBeGreaterThan(same.length);
    for (const [index, request] of requests.entries()) {
      expect(bits(answers[index] as ScoreResponse)).toEqual(bits(await cold.score(request)));
    }
  });

  it("in 8 bits takes about half, and scores as cold, bit for bit", async () => {
    const sizeOf = async (kvType: "f16" | "q8_0") => {
      const reranker = await load({ kvType });
      const first = await reranker.score({ query: firstQuery, documents });
      const bytes = reranker.stats().cacheBytes;
      const warm = await reranker.score({ query: secondQuery, documents });
      expect(warm.timings.reusedTokens).toBeGreaterThan(0.6 * first.usage.promptTokens);
      const cold = await load({ kvType, documentCacheMb: 0 });
      expect(bits(warm)).toEqual(bits(await cold.score({ query: secondQuery, documents })));
      return bytes;
    };
    const ratio = (await sizeOf("q8_0")) / (await sizeOf("f16"));
    expect(ratio).toBeGreaterThan(0.5);
    expect(ratio).toBeLessThan(0.6);
  });

  it("serves warm, cold and long pairs of several requests at once, bit for bit", async () => {
    const cold = await load({ documentCacheMb: 0, batchTokens: 128 });
    const warm = await load({ batchTokens: 128 });
    const long = [text(700, 1), text(1500, 2)];
    await warm.score({ query: firstQuery, documents: [...documents, long[0] as string] });
    const requests = [
      { query: secondQuery, documents: [...long, ...documents.slice(0, 6)] },
      { query: "coffee house", documents: documents.slice(4, 20) },
      { query: secondQuery, documents: [text(900, 3), ...documents.slice(10), long[0] as string] },
    ];
    const answers = await Promise.all(requests.map((request) => warm.score(request)));
    for (const [index, request] of requests.entries()) {
      expect(bits(answers[index] as ScoreResponse)).toEqual(bits(await cold.score(request)));
    }
    expect(warm.stats().pairsWarm).toBeGreaterThan(20);
  });

  it("reuses what two documents begin with", async () => {
    const cold = await load({ documentCacheMb: 0 });
    const warm = await load();
    const opening = text(100, 4);
    await warm.score({ query: firstQuery, documents: [`${opening} ${text(20, 5)}`] });
    const documents = [`${opening} ${text(30, 6)}`];
    const answer = await warm.score({ query: secondQuery, documents });
    expect(answer.timings.reusedTokens).toBeGreaterThan(80);
    expect(bits(answer)).toEqual(bits(await cold.score({ query: secondQuery, documents })));
  });

  it("stays within its bytes, and forgets the least recently used first", async () => {
    const reranker = await load({ documentCacheMb: 2 });
    const score = async (document: string) =>
      (await reranker.score({ query: firstQuery, documents: [document] })).timings.reusedTokens;
    const kept = text(100, 100);
    await score(kept);
    for (let seed = 0; seed < 12; seed++) {
      await score(text(100, 200 + seed));
      expect(await score(kept)).toBeGreaterThan(80);
      expect(reranker.stats().cacheBytes).toBeLessThanOrEqual(2 * 2 ** 20);
    }
    expect(await score(text(100, 200))).toBe(0);
  });

  it("switched off keeps and reuses nothing", async () => {
    const reranker = await load({ documentCacheMb: 0 });
    await reranker.score({ query: firstQuery, documents });
    await reranker.score({ query: secondQuery, documents });
    expect(reranker.stats()).toMatchObject({ tokensReused: 0, pairsWarm: 0, cacheBytes: 0, cacheEntries: 0 });
  });
});
