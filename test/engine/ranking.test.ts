/** What a ranking leaves out: topK and minScore of the library. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { Reranker } from "../../src/index.js";

const query = "What is machine learning?";
const documents = ["The weather today is sunny and warm.", "Machine learning learns from data.", "Deep learning uses networks."];

let reranker: Reranker;
let scores: number[];
beforeAll(async () => {
  reranker = await Reranker.load({ demo: true });
  scores = [...(await reranker.score({ query, documents })).scores].sort((a, b) => b - a);
});
afterAll(() => reranker.close());

const kept = async (limits: object) => (await reranker.rerank({ query, documents, ...limits })).results.map(({ score }) => score);

test("minScore drops results below it, after topK, and keeps one that is equal", async () => {
  const [best = 0, second = 0] = scores;
  expect(await kept({ minScore: second })).toEqual([best, second]);
  expect(await kept({ minScore: second, topK: 1 })).toEqual([best]);
  expect(await kept({ minScore: (best + second) / 2 })).toEqual([best]);
  expect(await kept({ minScore: 0 })).toEqual(scores);
  expect(await kept({ minScore: 2 })).toEqual([]);
});

test.each([
  [{ topK: -1 }, "topK: expected a whole number of at least 0, got -1"],
  [{ topK: "2" }, "topK: expected a whole number of at least 0, got a string"],
  [{ minScore: Number.NaN }, "minScore: expected a number, got NaN"],
  [{ minScore: "0.5" }, "minScore: expected a number, got a string"],
  [{ minScore: null }, "minScore: expected a number, got null"],
])("%j is refused", async (limits, message) => {
  await expect(kept(limits)).rejects.toMatchObject({ code: "invalid_request", message });
});
