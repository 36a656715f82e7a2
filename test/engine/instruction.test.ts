/** The instruction: a line of the prompt before the document's heading. */

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Engine } from "../../binding.js";
import { readScoreHead } from "../../src/model/head.js";
import { native } from "../../src/native/index.js";
import { Reranker } from "../../src/reranker.js";
import { type ModelFiles, randomModel, wideShape } from "../support/random-models.js";
import { mixedDocuments, text } from "../support/texts.js";

const query = "how do machines learn?";
const instruction = "Rank by how well the document answers.";
const documents = mixedDocuments(8, 30, 120, 5);
let files: ModelFiles;
let reranker: Reranker;
let engine: Engine;

beforeAll(async () => {
  files = await randomModel({ ...wideShape, layers: 2 });
  reranker = await Reranker.load({ ...files, contextSize: 256, gpuLayers: 0, scoreCacheMb: 0 });
  engine = await native.Engine.load({
    modelPath: files.modelPath,
    head: await readScoreHead(files.headPath),
    ...{ contextSize: 256, batchTokens: 0, backend: "cpu", gpuLayers: 0, threads: 1, reproducible: "auto", kvType: "f16" },
    ...{ maxQueuedPairs: 10, documentCacheBytes: 0, scoreCacheBytes: 0, deduplicate: true },
  });
});
afterAll(() => Promise.all([reranker.close(), engine.close()]));

test("the prompt is the instruction's line, and behind it the one without", () => {
  const { tokens } = engine.tokenizePair(query, "a document", instruction);
  const line = engine.tokenize(`${instruction}\n`);
  expect([...tokens]).toEqual([...line, ...engine.tokenizePair(query, "a document").tokens]);
  expect([...tokens.slice(0, -1)]).toEqual([
    ...engine.tokenize(`${instruction}\n**Document**:\na document\n**Query**:\n${query}`),
  ]);
  expect(engine.tokenizePair(query, "a document", "")).toEqual(engine.tokenizePair(query, "a document"));
});

test("it changes the scores, and an empty one does not", async () => {
  const plain = await reranker.score({ query, documents });
  const told = await reranker.score({ query, documents, instruction });
  expect(told.logits.every((logit, index) => logit !== plain.logits[index])).toBe(true);
  expect(told.promptTokens[0]).toBe((plain.promptTokens[0] ?? 0) + engine.tokenize(`${instruction}\n`).length);
  expect((await reranker.score({ query, documents, instruction: "" })).logits).toEqual(plain.logits);
  await expect(reranker.rerank({ query, documents, instruction })).resolves.toMatchObject({ usage: told.usage });
});

test("a document is known again behind the same instruction only", async () => {
  const [document = ""] = mixedDocuments(1, 60, 60, 6);
  const scored = (asked: string, told: string) => reranker.score({ query: asked, documents: [document], instruction: told });
  expect((await scored(query, "Another instruction.")).timings.reusedTokens).toBe(0);
  expect((await scored(query, instruction)).timings.reusedTokens).toBe(0);
  const { promptTokens, timings } = await scored("and baking?", instruction);
  expect(timings.reusedTokens).toBeGreaterThan(0.8 * (promptTokens[0] ?? 0));
  await using cold = await Reranker.load({ ...files, contextSize: 256, gpuLayers: 0, documentCacheMb: 0, scoreCacheMb: 0 });
  const again = await cold.score({ query: "and baking?", documents: [document], instruction });
  expect((await scored("and baking?", instruction)).logits).toEqual(again.logits);
});

test("beside it there is less room for a document, which is cut and says so", async () => {
  const { promptTokens, droppedTokens } = await reranker.score({ query, documents: [text(600, 4)], instruction });
  expect(promptTokens[0]).toBeGreaterThan(250);
  expect(promptTokens[0]).toBeLessThanOrEqual(256);
  expect(droppedTokens[0]).toBeGreaterThan(300);
});

test("one that leaves no room with the query is refused, and the error names both", async () => {
  await expect(reranker.score({ query, documents: ["a"], instruction: text(400, 7) })).rejects.toMatchObject({
    code: "query_too_long",
    message: expect.stringMatching(/^instruction and query: take \d+ of the 256 tokens/),
  });
  expect(() => engine.tokenizePair(query, "a", text(400, 7))).toThrow(/^instruction and query: take/);
});

test("several engines are given it, each", async () => {
  await using two = await Reranker.load({ ...files, contextSize: 256, gpus: ["cpu", "cpu"], gpuLayers: 0, scoreCacheMb: 0 });
  const told = await reranker.score({ query, documents, instruction });
  expect((await two.score({ query, documents, instruction })).logits).toEqual(told.logits);
});
