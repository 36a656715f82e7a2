/** Documents that are kept before a query comes: it then costs its own tokens alone, and has the scores of a cold engine. */

import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { EnginePool } from "../../src/engine/pool.js";
import { readScoreHead } from "../../src/model/head.js";
import { native } from "../../src/native/index.js";
import { Reranker } from "../../src/reranker.js";
import type { LoadOptions, ScoreRequest } from "../../src/types.js";
import { FaultyEngine } from "../support/faulty-engine.js";
import { imageModel, structuredPng } from "../support/image-model.js";
import { type ModelFiles, randomModel, wideShape } from "../support/random-models.js";
import { mixedDocuments, text } from "../support/texts.js";
import { until } from "../support/until.js";

const query = "how do machines learn to rank documents?";
const documents = mixedDocuments(16, 20, 150, 8);
let files: ModelFiles;
let close: (() => Promise<void>)[] = [];

beforeAll(async () => {
  files = await randomModel({ ...wideShape, layers: 2 });
});
afterEach(async () => {
  await Promise.all(close.map((action) => action()));
  close = [];
});

async function load(options: Partial<LoadOptions> = {}): Promise<Reranker> {
  const reranker = await Reranker.load({ ...files, contextSize: 2048, gpuLayers: 0, scoreCacheMb: 0, ...options });
  close.push(() => reranker.close());
  return reranker;
}

async function engine(changes: { documentCacheBytes?: number; maxQueuedPairs?: number } = {}) {
  const loaded = await native.Engine.load({
    modelPath: files.modelPath,
    head: await readScoreHead(files.headPath),
    ...{ contextSize: 1024, batchTokens: 0, backend: "cpu", gpuLayers: 0, threads: 1, reproducible: "auto", kvType: "f16" },
    ...{ maxQueuedPairs: 1000, documentCacheBytes: 2 ** 28, scoreCacheBytes: 0, deduplicate: true, ...changes },
  });
  close.push(() => loaded.close());
  return loaded;
}

async function coldLogits(request: ScoreRequest): Promise<Float32Array> {
  const cold = await load({ documentCacheMb: 0 });
  return (await cold.score(request)).logits;
}

const sum = (counts: Iterable<number>) => [...counts].reduce((total, count) => total + count, 0);

describe("a query that follows", () => {
  // Line breaks at its start may share a token with the heading's.
  test.each(["how do machines learn?", "\n\nwhat?", "\n", " a river", "ø", "?!", "**bold**", "\t\n x"])(
    "such as %j computes its own tokens alone, and has a cold engine's scores, bit for bit",
    async (asked) => {
      const one = await engine();
      const { promptTokens } = await one.keep({ documents }).result;
      expect(one.stats()).toMatchObject({ documentsKept: 16, pairsScored: 0, pairsQueued: 0, tokensQueued: 0, pairsWarm: 0 });
      const heading = [...one.tokenize("**Query**:\n")];
      const whole = [...one.tokenize(`**Query**:\n${asked}`)];
      const common = heading.findIndex((token, index) => token !== whole[index]);
      const own = whole.length - (common < 0 ? heading.length : common) + 1; // the score token
      const result = await one.submit({ query: asked, documents }).result;
      expect(result.computedTokens).toBe(16 * own);
      expect(result.reusedTokens).toBe(sum(result.promptTokens) - 16 * own);
      expect(sum(promptTokens)).toBe(sum(result.promptTokens) - 16 * (whole.length - heading.length + 1));
      const cold = await (await engine({ documentCacheBytes: 0 })).submit({ query: asked, documents }).result;
      expect(result.logits).toEqual(cold.logits);
    },
  );

  test.each(["f32", "q8_0", "q4_k_m"] as const)("has the bits of a cold engine with %s weights", async (precision) => {
    const precise = await randomModel({ ...wideShape, layers: 3 }, precision);
    const reranker = await load(precise);
    await reranker.keep({ documents });
    const warm = await reranker.score({ query, documents: documents.toReversed() });
    expect(warm.timings.computedTokens).toBeLessThan(16 * 20);
    const cold = await load({ ...precise, documentCacheMb: 0 });
    expect(warm.logits.toReversed()).toEqual((await cold.score({ query, documents })).logits);
  });

  test("finds the states behind the instruction that they were kept with, cut as they were", async () => {
    const reranker = await load();
    const options = { instruction: "Prefer rivers.", maxDocumentTokens: 50 };
    const kept = await reranker.keep({ documents, ...options });
    expect(kept).toMatchObject({ documents: 16, storedDocuments: 0, truncated: expect.any(Number) });
    expect(kept.truncated).toBeGreaterThan(5);
    expect(kept.timings.computedTokens).toBe(kept.usage.promptTokens);
    const { logits, timings, droppedTokens } = await reranker.score({ query, documents, ...options });
    expect(timings.computedTokens).toBeLessThan(16 * 20);
    expect(droppedTokens.filter((dropped) => dropped > 0)).toHaveLength(kept.truncated);
    expect(logits).toEqual(await coldLogits({ query, documents, ...options }));
    const without = await reranker.score({ query, documents });
    expect(without.timings.reusedTokens).toBe(0);
  });

  test("finds the states of images, which are not encoded again", async () => {
    const model = { ...(await imageModel()), imageCacheMb: 0 };
    const reranker = await load(model);
    const pages = [{ image: structuredPng(28 * 7, 28 * 3, 1) }, "a river of stone and green houses ".repeat(4)];
    const kept = await reranker.keep({ documents: pages });
    expect([kept.timings.encodedImages, kept.timings.imageMs > 0]).toEqual([1, true]);
    expect((await reranker.keep({ documents: pages })).timings).toMatchObject({ computedTokens: 0, encodedImages: 0 });
    expect(reranker.stats().workQueued).toBe(0);
    const warm = await reranker.score({ query, documents: pages });
    expect(warm.timings.encodedImages).toBe(0);
    const cold = await load({ ...model, documentCacheMb: 0 });
    expect(warm.logits).toEqual((await cold.score({ query, documents: pages })).logits);
  });
});

describe("a document that is known", () => {
  test("costs nothing: kept before, or scored", async () => {
    const reranker = await load();
    const first = await reranker.keep({ documents: documents.slice(0, 8) });
    expect(first.timings).toMatchObject({ computedTokens: first.usage.promptTokens, reusedTokens: 0 });
    await reranker.score({ query, documents: documents.slice(8) });
    const { batches } = reranker.stats();
    const again = await reranker.keep({ documents });
    expect(again.timings).toMatchObject({ computedTokens: 0, reusedTokens: again.usage.promptTokens, computeMs: 0 });
    expect(reranker.stats()).toMatchObject({ batches, documentsKept: 24, pairsScored: 8 });
  });

  test("costs nothing when it comes to be known while it waits", async () => {
    const one = await engine();
    const document = text(700, 3); // more than a batch, so that the others are not begun
    const jobs = Array.from({ length: 12 }, () => one.keep({ documents: [document] }).result);
    const results = await Promise.all(jobs);
    const [tokens = 0] = results[0]?.promptTokens ?? [];
    expect(one.stats().tokensComputed).toBeLessThanOrEqual(2 * tokens);
    expect(sum(results.map(({ computedTokens }) => computedTokens))).toBe(one.stats().tokensComputed);
    expect(results.every(({ computedTokens, reusedTokens }) => computedTokens + reusedTokens === tokens)).toBe(true);
  });

  test("twice in a request is computed once", async () => {
    const one = await engine();
    const { promptTokens, computedTokens } = await one.keep({ documents: [documents[0] ?? "", documents[0] ?? ""] }).result;
    expect(promptTokens[0]).toBe(promptTokens[1]);
    expect(computedTokens).toBe(promptTokens[0]);
    expect(one.stats().documentsKept).toBe(2);
  });

  test("of less than a page is left to its queries", async () => {
    const one = await engine();
    const result = await one.keep({ documents: ["a", ""] }).result;
    expect(result).toMatchObject({ computedTokens: 0, reusedTokens: 0 });
    expect(Math.max(...result.promptTokens)).toBeLessThan(16);
    expect(one.stats()).toMatchObject({ documentsKept: 2, batches: 0, tokensQueued: 0, workQueued: 0 });
  });
});

describe("keeping", () => {
  test("shares the engine with scoring, and leaves it the first place at a low priority", async () => {
    const one = await engine();
    const many = mixedDocuments(100, 100, 300, 21);
    let kept = false;
    const keeping = one.keep({ documents: many, priority: 99 }).result.then((result) => {
      kept = true;
      return result;
    });
    await until(() => one.stats().batches > 0);
    const scored = await one.submit({ query, documents: documents.slice(0, 3) }).result;
    expect(kept).toBe(false);
    const cold = await (await engine({ documentCacheBytes: 0 })).submit({ query, documents: documents.slice(0, 3) }).result;
    expect(scored.logits).toEqual(cold.logits);
    expect((await keeping).promptTokens).toHaveLength(100);
    expect(one.stats()).toMatchObject({ documentsKept: 100, pairsScored: 3, pairsQueued: 0, tokensQueued: 0, jobsCompleted: 2 });
  });

  test("ends with its signal, and what was computed is kept", async () => {
    const reranker = await load();
    const controller = new AbortController();
    const many = mixedDocuments(100, 100, 300, 22);
    const keeping = reranker.keep({ documents: many, signal: controller.signal });
    await until(() => reranker.stats().documentsKept > 5);
    controller.abort(new Error("enough"));
    await expect(keeping).rejects.toThrow("enough");
    await until(() => reranker.stats().pairsQueued === 0);
    const { jobsCancelled, documentsKept, pairsDropped } = reranker.stats();
    expect([jobsCancelled, documentsKept + pairsDropped]).toEqual([1, 100]);
    expect((await reranker.keep({ documents: many })).timings.reusedTokens).toBeGreaterThan(0);
  });

  test("is closed with the engine, and refused after it", async () => {
    const reranker = await load();
    const failed = expect(reranker.keep({ documents: mixedDocuments(100, 200, 300, 23) })).rejects.toMatchObject({
      code: "closed",
    });
    await until(() => reranker.stats().batches > 0);
    await reranker.close();
    await failed;
    await expect(reranker.keep({ documents })).rejects.toMatchObject({ code: "closed" });
  });

  test("calls onQueue when the documents are queued", async () => {
    const reranker = await load();
    let called = 0;
    await reranker.keep({ documents, onQueue: () => called++ });
    expect(called).toBe(1);
  });

  test.each<[object, string, RegExp]>([
    [{ documents: [] }, "empty_documents", /^documents: expected at least one, got none/],
    [{ documents: "a" }, "invalid_request", /^documents: expected an array/],
    [{ documents: ["a", 5] }, "invalid_request", /^documents\[1\]: expected a string or/],
    [{ documents: ["a"], instruction: 5 }, "invalid_request", /^instruction: expected a string, got 5/],
    [{ documents: ["a"], priority: 1000 }, "invalid_request", /^priority: expected a whole number from 0 to 999/],
    [{ documents: ["a", "b"], maxDocuments: 1 }, "too_many_documents", /^documents: at most 1 are allowed/],
    [{ documents: [{ image: new Uint8Array(3) }] }, "images_not_supported", /^documents\[0\]: expected text/],
    [{ documents: ["a", text(3000, 1)], truncate: "never" }, "document_too_long", /^documents\[1\]: takes more than/],
    [{ documents: ["a"], instruction: text(3000, 1) }, "query_too_long", /^instruction and query: take/],
  ])("of %j is refused", async (request, code, message) => {
    const reranker = await load();
    await expect(Reflect.apply(reranker.keep, reranker, [request])).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  test("is refused where there is no cache, and where the queue is full", async () => {
    const none = await load({ documentCacheMb: 0 });
    await expect(none.keep({ documents })).rejects.toMatchObject({
      code: "invalid_request",
      message: expect.stringMatching(/documentCacheBytes is 0/),
    });
    const small = await engine({ maxQueuedPairs: 2 });
    expect(() => small.keep({ documents })).toThrow(/16 more do not fit/);
  });
});

describe("several engines", () => {
  test("keep each document where a query looks for it", async () => {
    const reranker = await load({ gpus: ["cpu", "cpu"] });
    const many = mixedDocuments(90, 20, 100, 31);
    const kept = await reranker.keep({ documents: many });
    expect(kept).toMatchObject({ documents: 90, timings: { computedTokens: kept.usage.promptTokens } });
    expect(reranker.stats()).toMatchObject({ documentsKept: 90, jobsCompleted: 2 });
    for (const document of many.slice(0, 20)) {
      const { timings } = await reranker.score({ query, documents: [document] });
      expect(timings.reusedTokens).toBeGreaterThan(timings.computedTokens);
    }
    const again = await reranker.keep({ documents: many.toReversed() });
    expect(again.timings).toMatchObject({ computedTokens: 0, reusedTokens: kept.usage.promptTokens });
  });

  test("take over from one that fails", async () => {
    const faulty = new FaultyEngine(await engine());
    faulty.broken = "engine_error";
    const pool = new EnginePool([faulty, await engine()], 1000);
    const { promptTokens } = await pool.keep({ documents }).result;
    expect(promptTokens.every((count) => count > 20)).toBe(true);
    const job = pool.keep({ documents: mixedDocuments(100, 100, 300, 32) });
    expect(job.cancel()).toBe(true);
    await expect(job.result).rejects.toMatchObject({ code: "cancelled" });
  });
});
