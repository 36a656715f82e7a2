/** Requests that are stopped: they are answered with the scores that there are, and say which documents have none. */

import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Engine, EngineOptions, ScoreResult } from "../../binding.js";
import { EnginePool } from "../../src/engine/pool.js";
import { readScoreHead } from "../../src/model/head.js";
import { native } from "../../src/native/index.js";
import { Reranker } from "../../src/reranker.js";
import { imageModel, structuredPng } from "../support/image-model.js";
import { type ModelFiles, randomModel, wideShape } from "../support/random-models.js";
import { mixedDocuments } from "../support/texts.js";
import { until } from "../support/until.js";

const query = "how do machines learn?";
const documents = mixedDocuments(300, 100, 300, 11);
let files: ModelFiles;
let options: EngineOptions;
let close: (() => Promise<void>)[] = [];

beforeAll(async () => {
  files = await randomModel({ ...wideShape, layers: 2 });
  options = {
    modelPath: files.modelPath,
    head: await readScoreHead(files.headPath),
    ...{ backend: "cpu", contextSize: 1024, batchTokens: 512, gpuLayers: 0, threads: 1, reproducible: "auto", kvType: "f16" },
    ...{ maxQueuedPairs: 1000, documentCacheBytes: 0, scoreCacheBytes: 0, deduplicate: true },
  };
});
afterEach(async () => {
  await Promise.all(close.map((action) => action()));
  close = [];
});

async function engine(): Promise<Engine> {
  const loaded = await native.Engine.load(options);
  close.push(() => loaded.close());
  return loaded;
}

async function load(): Promise<Reranker> {
  const reranker = await Reranker.load({ ...files, contextSize: 1024, gpuLayers: 0, threads: 1, maxDocuments: 1000 });
  close.push(() => reranker.close());
  return reranker;
}

/** Those with a score have the right one, and the others none. */
async function expectPart(
  { scores, logits, unscored, promptTokens, droppedTokens }: Omit<ScoreResult, "unscored"> & { unscored: ArrayLike<number> },
  whole: Engine,
): Promise<void> {
  const without = Array.from(unscored);
  const scored = [...documents.keys()].filter((index) => !without.includes(index));
  expect(without).toEqual(without.toSorted((left, right) => left - right));
  expect(without.length).toBeGreaterThan(0);
  expect(scored.length).toBeGreaterThan(0);
  expect(scored.length + without.length).toBe(documents.length);
  expect(without.every((index) => Number.isNaN(scores[index]) && Number.isNaN(logits[index]))).toBe(true);
  expect(without.every((index) => promptTokens[index] === 0 && droppedTokens[index] === 0)).toBe(true);
  const expected = await whole.submit({ query, documents: scored.map((index) => documents[index] ?? "") }).result;
  expect(scored.map((index) => logits[index])).toEqual([...expected.logits]);
  expect(scored.map((index) => promptTokens[index])).toEqual([...expected.promptTokens]);
}

describe("a job that is stopped", () => {
  test("resolves with what was computed, and drops the rest", async () => {
    const one = await engine();
    const job = one.submit({ query, documents });
    await until(() => one.stats().pairsScored > 0);
    expect(job.stop()).toBe(true);
    expect(job.stop()).toBe(false);
    expect(job.cancel()).toBe(false);
    const result = await job.result;
    const { pairsScored, pairsDropped, pairsQueued, jobsCompleted } = one.stats();
    expect([pairsScored + pairsDropped, pairsDropped, pairsQueued, jobsCompleted]).toEqual([300, result.unscored.length, 0, 1]);
    await expectPart(result, one);
  });

  test("before anything was computed has no score at all", async () => {
    const busy = await engine();
    const before = busy.submit({ query: "another query", documents });
    await until(() => busy.stats().pairsScored > 0);
    // Comes in the middle of a batch, and is stopped before the next one, or before it has a place in one.
    const job = busy.submit({ query, documents, priority: 99 });
    expect(job.stop()).toBe(true);
    const { unscored, computedTokens, computeMs } = await job.result;
    expect([...unscored]).toEqual([...documents.keys()]);
    expect([computedTokens, computeMs]).toEqual([0, 0]);
    before.stop();
    await before.result;
  });

  test("after its end is as it was", async () => {
    const job = (await engine()).submit({ query, documents: ["a", "b"] });
    const { unscored } = await job.result;
    expect(job.stop()).toBe(false);
    expect(unscored).toHaveLength(0);
  });

  test("in several engines is stopped in each, and its parts are put together", async () => {
    const engines = [await engine(), await engine()];
    const pool = new EnginePool(engines, 1000);
    const job = pool.submit({ query, documents });
    await until(() => engines.every((each) => each.stats().pairsScored > 0));
    expect(job.stop()).toBe(true);
    const result = await job.result;
    expect(job.stop()).toBe(false);
    expect(pool.stats()).toMatchObject({ pairsQueued: 0, pairsDropped: result.unscored.length, jobsCompleted: 2 });
    await expectPart(result, await engine());
  });
});

describe("a request with timeoutMs", () => {
  // Seconds of work.
  const many = { query, documents: mixedDocuments(1000, 600, 900, 12) };

  test("is answered with the scores that there are then, and ranks these", async () => {
    const reranker = await load();
    const { results, unscored, usage, truncated } = await reranker.rerank({ ...many, timeoutMs: 300 });
    expect(unscored.length).toBeGreaterThan(0);
    expect(results.length + unscored.length).toBe(1000);
    expect(results.filter(({ index, score }) => unscored.includes(index) || !(score > 0))).toEqual([]);
    expect(results.map(({ score }) => score)).toEqual(results.map(({ score }) => score).toSorted((left, right) => right - left));
    expect(truncated).toBe(0);
    expect(usage.promptTokens > 0).toBe(results.length > 0);
    const some = results.slice(0, 3).map(({ document }) => document);
    if (some.length > 0) {
      const again = await reranker.rerank({ query, documents: some });
      expect(again.results.map(({ score }) => score)).toEqual(results.slice(0, 3).map(({ score }) => score));
    }
  });

  test("that is long enough has all scores", async () => {
    const reranker = await load();
    const { unscored, scores } = await reranker.score({ query, documents: ["a", "b"], timeoutMs: 2 ** 40 });
    expect(unscored).toEqual([]);
    expect(scores.every((score) => score > 0)).toBe(true);
  });

  test("rejects when its signal aborts before, as without", async () => {
    const reranker = await load();
    const controller = new AbortController();
    const running = reranker.score({ ...many, timeoutMs: 100_000, signal: controller.signal });
    await until(() => reranker.stats().batches > 0);
    controller.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    await until(() => reranker.stats().pairsQueued === 0);
    expect(reranker.stats()).toMatchObject({ jobsCancelled: 1, jobsCompleted: 0 });
  });

  test("whose images were not read by then has an empty ranking, and nothing reached the engine", async () => {
    const withTower = await Reranker.load({ ...(await imageModel()), contextSize: 2048, gpuLayers: 0, threads: 1 });
    close.push(() => withTower.close());
    const image = structuredPng(28 * 40, 28 * 40, 3);
    let queued = false;
    const onQueue = () => {
      queued = true;
    };
    // The process that decodes is not started yet.
    const answer = await withTower.rerank({ query, documents: ["a text", { image }], timeoutMs: 1, onQueue });
    expect(answer).toMatchObject({ results: [], unscored: [0, 1], truncated: 0, usage: { promptTokens: 0, totalTokens: 0 } });
    expect(answer.timings.imageMs).toBe(answer.timings.totalMs);
    expect([queued, withTower.stats().jobsSubmitted]).toEqual([false, 0]);
    expect((await withTower.rerank({ query, documents: ["a text", { image }] })).unscored).toEqual([]);
  });

  test("rejects with what is wrong with an image that was read in time", async () => {
    const withTower = await Reranker.load({ ...(await imageModel()), contextSize: 2048, gpuLayers: 0, threads: 1 });
    close.push(() => withTower.close());
    const broken = { query, documents: [{ image: new Uint8Array([1, 2, 3]) }], timeoutMs: 100_000 };
    await expect(withTower.score(broken)).rejects.toMatchObject({ code: "image_invalid" });
  });
});
