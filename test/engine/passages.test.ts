/** Long documents by their best passage, with the engine's tokenizer and its scores. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readScoreHead } from "../../src/model/head.js";
import { native } from "../../src/native/index.js";
import { withPassages } from "../../src/passages/prepare.js";
import { Reranker } from "../../src/reranker.js";
import type { LoadOptions, Passage } from "../../src/types.js";
import { demoModel } from "../support/demo-service.js";
import { imageModel, structuredPng } from "../support/image-model.js";
import { seeded, text } from "../support/texts.js";
import { graphemeEdges, isOneGrapheme, unicodeText } from "../support/unicode-texts.js";
import { until } from "../support/until.js";

const query = "how does photosynthesis feed a glacier?";
const planted = "Photosynthesis feeds the algae that live upon a glacier.";
let reranker: Reranker;

const load = async (options: Partial<LoadOptions> = {}) =>
  Reranker.load({ ...(await demoModel()), gpuLayers: 0, threads: 1, ...options });
beforeAll(async () => {
  reranker = await load({ maxDocuments: 3000 });
});
afterAll(() => reranker.close());

/** Sentences of `shortest` to 20 words. */
function prose(words: number, seed: number, shortest = 5): string[] {
  const random = seeded(seed);
  const sentences: string[] = [];
  for (let left = words; left > 0; ) {
    const length = Math.min(left, shortest + Math.floor(random() * (21 - shortest)));
    const sentence = text(length, seed * 10_000 + sentences.length);
    sentences.push(`${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}. `);
    left -= length;
  }
  return sentences;
}

function withPlanted(words: number, seed: number, shortest?: number): string {
  const sentences = prose(words, seed, shortest);
  return sentences.toSpliced(Math.floor(sentences.length * 0.7), 0, `${planted} `).join("");
}

const cutOut = (document: string, { start, end }: Passage) => Array.from(document).slice(start, end).join("");

describe("a long document", () => {
  test("of 30,000 words is found by a sentence in it, whose place is exact", async () => {
    // Emoji before it: places are characters, not UTF-16 units.
    const document = `👩‍👩‍👧‍👦 ${withPlanted(30_000, 1)}`;
    const { results, truncated } = await reranker.rerank({
      query,
      documents: ["The history of Rome.", document, ...prose(300, 2)],
      passages: { max: 1000 },
    });
    expect(results[0]).toMatchObject({ index: 1, droppedTokens: 0 });
    expect(truncated).toBe(0);
    const passage = results[0]?.passage;
    expect(passage?.text).toContain(planted);
    expect(passage && cutOut(document, passage)).toBe(passage?.text);
  });

  test("of 30,000 words in passages of a sentence is found by the sentence itself", async () => {
    const document = `👩‍👩‍👧‍👦 ${withPlanted(30_000, 16, 15)}`;
    const passages = { maxTokens: 24, overlapTokens: 0, max: 2000 };
    const { results } = await reranker.rerank({ query, documents: [document], passages });
    expect(results[0]?.passage?.text).toBe(`${planted} `);
    expect(results[0]?.passage && cutOut(document, results[0].passage)).toBe(`${planted} `);
  });

  test("has the score of its best passage sent alone, bit for bit, and the usage of all", async () => {
    const documents = [withPlanted(3000, 3), text(20, 4), withPlanted(1500, 5)];
    const { scores, logits, passages, usage, promptTokens, timings } = await reranker.score({
      query,
      documents,
      passages: { maxTokens: 100, max: 50 },
    });
    const alone = await (await load({ documentCacheMb: 0, scoreCacheMb: 0 })).score({
      query,
      documents: passages?.map((passage) => passage?.text ?? "") ?? [],
    });
    expect([...scores]).toEqual([...alone.scores]);
    expect([...logits]).toEqual([...alone.logits]);
    expect(passages?.[1]).toEqual({ text: documents[1], start: 0, end: documents[1]?.length });
    expect(usage.promptTokens).toBe(promptTokens.reduce((sum, count) => sum + count, 0));
    expect(usage.promptTokens).toBeGreaterThan(4500);
    expect(timings.computedTokens).toBeGreaterThan(4500);
  });

  test("with an instruction has the score of its best passage behind it", async () => {
    const request = { query, instruction: "Prefer botany.", passages: { maxTokens: 60, max: 50 } };
    const { results } = await reranker.rerank({ ...request, documents: [withPlanted(800, 6)] });
    const { scores } = await reranker.score({ ...request, passages: true, documents: [results[0]?.passage?.text ?? ""] });
    expect(scores[0]).toBe(results[0]?.score);
  });

  test("that has more passages than max is cut and says so; truncate never refuses it", async () => {
    const documents = ["short", withPlanted(3000, 7)];
    const { results, truncated } = await reranker.rerank({ query, documents, passages: { maxTokens: 50, max: 3 } });
    expect(truncated).toBe(1);
    const dropped = results.find(({ index }) => index === 1)?.droppedTokens;
    expect(dropped).toBeGreaterThan(2000);
    expect(dropped).toBeLessThan(5000);
    await expect(
      reranker.rerank({ query, documents, passages: { maxTokens: 50, max: 3 }, truncate: "never" }),
    ).rejects.toMatchObject({
      code: "document_too_long",
      message: "documents[1]: has more than 3 passages of 50 tokens and nothing may be cut",
    });
  });

  test("is cut into smaller passages where the query leaves no room for larger ones", async () => {
    const small = await load({ contextSize: 128 });
    const document = withPlanted(600, 8);
    const { results, truncated } = await small.rerank({ query, documents: [document], passages: { max: 100 } });
    expect(truncated).toBe(0);
    expect(results[0]?.passage?.text).toContain(planted);
    const long = text(200, 9);
    await expect(small.rerank({ query: long, documents: [document], passages: true })).rejects.toMatchObject({
      code: "query_too_long",
    });
    await small.close();
  });

  test("whose passages would never fit the queue is refused as too many, not as too early", async () => {
    const few = await load({ maxQueuedPairs: 20 });
    await expect(
      few.rerank({ query, documents: [withPlanted(3000, 10)], passages: { maxTokens: 50, max: 50 } }),
    ).rejects.toMatchObject({
      code: "too_many_documents",
      message: expect.stringMatching(
        /^documents: at most 20 passages, as many as may wait, are allowed in one request, got more/,
      ),
    });
    await few.close();
  });
});

describe("the passages of random Unicode", () => {
  const texts = [
    ...Array.from({ length: 80 }, (_, seed) => unicodeText(1 + ((seed * 37) % 300), seed)),
    ...["a".repeat(100_000), " ".repeat(50_000), "机器学习".repeat(2000), `Z${"\u0351".repeat(40)}`.repeat(30)],
  ];

  test("have as many tokens of the engine's tokenizer as asked for, and share as many", async () => {
    const { modelPath, headPath } = await demoModel();
    const engine = await native.Engine.load({
      ...{ modelPath, head: await readScoreHead(headPath), device: "CPU", backend: "cpu", contextSize: 8192 },
      ...{ batchTokens: 512, gpuLayers: 0, threads: 1, reproducible: "auto", kvType: "f16", maxQueuedPairs: 1000 },
      ...{ documentCacheBytes: 0, scoreCacheBytes: 0, deduplicate: true },
    });
    const tokens = (passage: string) => engine.tokenize(passage).length;
    const random = seeded(12);
    for (const document of texts) {
      const maxTokens = 4 + Math.floor(random() * 60);
      const overlapTokens = Math.floor(random() * maxTokens);
      const passages = { maxTokens, overlapTokens, max: 100_000 };
      const request = { query, documents: [document] };
      const { cut } = await withPassages(request, { passages }, engine, 1_000_000, new AbortController().signal);
      const spans = cut?.cuts[0]?.spans ?? [];
      const isEdge = graphemeEdges(document);
      expect([spans[0]?.start, spans.at(-1)?.end]).toEqual([0, document.length]);
      const wrong = spans.filter(({ start, end }, index) => {
        const passage = document.slice(start, end);
        const before = spans[index - 1] ?? { start: -1, end: 0 };
        return !(
          (tokens(passage) <= maxTokens || isOneGrapheme(passage)) &&
          tokens(document.slice(start, before.end)) <= overlapTokens &&
          [start, end].every(isEdge) &&
          start <= before.end &&
          start > before.start &&
          end > before.end
        );
      });
      expect(wrong, JSON.stringify({ document: document.slice(0, 500), passages })).toEqual([]);
    }
    await engine.close();
  });

  test("are what was scored, at exact places", async () => {
    for (let first = 0; first < texts.length; first += 4) {
      const documents = texts.slice(first, first + 4);
      const passages = { maxTokens: 30, max: 40 };
      const answer = await reranker.score({ query: "deep learning 机器学习", documents, passages });
      const best = answer.passages?.map((passage) => passage?.text ?? "") ?? [];
      const alone = await reranker.score({ query: "deep learning 机器学习", documents: best });
      expect([...answer.scores]).toEqual([...alone.scores]);
      expect(
        documents.map((document, index) => cutOut(document, answer.passages?.[index] ?? { text: "", start: 0, end: 0 })),
      ).toEqual(best);
    }
  });
});

test("passages that are kept before a query comes cost it its own tokens alone, and have the same scores", async () => {
  const documents = [withPlanted(2000, 40), "a text", withPlanted(300, 41)];
  const passages = { maxTokens: 100, max: 15 };
  const instruction = "Prefer botany.";
  const [warm, cold] = [await load(), await load()];
  const kept = await warm.keep({ documents, passages, instruction });
  expect(kept).toMatchObject({ documents: 3, truncated: 1, storedDocuments: 0 });
  expect(kept.usage.promptTokens).toBeGreaterThan(1500);
  const request = { query, documents, passages, instruction };
  const { results, timings, usage } = await warm.rerank(request);
  const expected = await cold.rerank(request);
  expect(results).toEqual(expected.results);
  // 15 + 1 + 4 prompts, each with the query, its heading and the score token.
  expect(usage).toEqual(expected.usage);
  expect(timings.computedTokens).toBeLessThan(usage.promptTokens / 4);
  expect((await warm.keep({ documents, passages, instruction })).timings.computedTokens).toBe(0);
  await expect(warm.keep({ documents, passages: { max: 0 } })).rejects.toMatchObject({
    message: "passages.max: expected a whole number of at least 1, got 0",
  });
  await Promise.all([warm.close(), cold.close()]);
});

describe("a request for passages", () => {
  test("leaves the event loop free while it cuts", async () => {
    const document = prose(30_000, 13).join("");
    let turns = 0;
    const counting = setInterval(() => {
      turns += 1;
    });
    let turnsOfCutting = 0;
    const onQueue = () => {
      turnsOfCutting = turns;
    };
    await reranker.rerank({ query, documents: [document], passages: { max: 2000 }, onQueue });
    clearInterval(counting);
    expect(turnsOfCutting).toBeGreaterThan(2);
  });

  test("rejects when its signal aborts while it cuts", async () => {
    const documents = Array.from({ length: 20 }, (_, seed) => prose(20_000, 20 + seed).join(""));
    const controller = new AbortController();
    const { jobsSubmitted } = reranker.stats();
    const running = reranker.rerank({ query, documents, passages: true, signal: controller.signal });
    setImmediate(() => controller.abort(new Error("enough")));
    await expect(running).rejects.toThrow("enough");
    expect(reranker.stats().jobsSubmitted).toBe(jobsSubmitted);
  });

  test("has no score for a document of which a passage has none when the time is over", async () => {
    const cold = await load({ maxDocuments: 3000, maxQueuedPairs: 100_000, documentCacheMb: 0 });
    const short = Array.from({ length: 5 }, (_, seed) => text(20, 300 + seed));
    const long = Array.from({ length: 40 }, (_, seed) => prose(6000, 50 + seed).join(""));
    const passages = { max: 100 };
    const { results, unscored } = await cold.rerank({ query, documents: [...short, ...long], passages, timeoutMs: 3000 });
    expect(unscored.length).toBeGreaterThan(0);
    expect(results.length + unscored.length).toBe(45);
    const scored = results.map(({ document }) => document);
    if (scored.length > 0) {
      const again = await cold.rerank({ query, documents: scored, passages });
      expect(again.results.map(({ score, passage }) => [score, passage])).toEqual(
        results.map(({ score, passage }) => [score, passage]),
      );
    }
    await until(() => cold.stats().pairsQueued === 0);
    await cold.close();
  });

  test("ranks images as they are, among passages", async () => {
    const withTower = await Reranker.load({ ...(await imageModel()), contextSize: 2048, gpuLayers: 0, threads: 1 });
    const image = { image: structuredPng(56, 56, 3) };
    const documents = [prose(500, 14).join(""), image, "a text"];
    const { results } = await withTower.rerank({ query, documents, passages: { maxTokens: 100 } });
    const { scores } = await withTower.score({ query, documents: [image] });
    const ofImage = results.find(({ index }) => index === 1);
    expect(ofImage).toMatchObject({ score: scores[0], document: image });
    expect(ofImage && "passage" in ofImage).toBe(false);
    expect(results.filter(({ passage }) => passage !== undefined)).toHaveLength(2);
    // The query may be one, too.
    const asked = await withTower.rerank({ query: image, documents, passages: { maxTokens: 100 } });
    expect(asked.results).toHaveLength(3);
    await withTower.close();
  });

  test("names the document that has an error, not its passage", async () => {
    const withTower = await Reranker.load({ ...(await imageModel()), contextSize: 128, gpuLayers: 0, threads: 1 });
    const image = { image: structuredPng(28 * 20, 28 * 20, 3) };
    const documents = [prose(800, 15).join(""), image];
    await expect(withTower.rerank({ query, documents, passages: { maxTokens: 40 } })).rejects.toMatchObject({
      code: "document_too_long",
      message: expect.stringMatching(/^documents\[1\]: an image/),
    });
    await withTower.close();
  });
});
