/** The documents of a request as passages, and their scores from those of the passages. */

import { expect, test } from "vitest";
import { bestOf, cutDocuments, keptOf } from "../../src/passages/cut-documents.js";
import { failure } from "../support/failure.js";

const limits = { maxTokens: 3, overlapTokens: 0, max: 3 };
const image = { width: 28, height: 28, rgb: new Uint8Array(28 * 28 * 3), hash: "h" };
const words = (text: string) => text.match(/\S+/g)?.length ?? 0;
const long = "😀 is one. It is two. Here is three.";

function cut(documents: Parameters<typeof cutDocuments>[0], allowed = { pairs: 10, cut: true }) {
  const steps = cutDocuments(documents, limits, allowed, words);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** Passages with these logits, one without is unscored. */
function scored(logits: readonly number[]) {
  return {
    logits: Float32Array.from(logits),
    scores: Float32Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit))),
    unscored: logits.flatMap((logit, index) => (Number.isNaN(logit) ? [index] : [])),
    promptTokens: Uint32Array.from(logits, (_, index) => index + 1),
    droppedTokens: new Uint32Array(logits.length),
    usage: { promptTokens: 100, totalTokens: 100 },
    timings: {
      ...{ imageMs: 1, queueMs: 2, tokenizeMs: 3, computeMs: 4, totalMs: 10 },
      ...{ computedTokens: 90, reusedTokens: 10, encodedImages: 0 },
    },
  };
}

test("passages and images of all documents are scored together, in their order", () => {
  const { contents, origins } = cut(["a b", long, image]);
  expect(contents).toEqual(["a b", "😀 is one. ", "It is two. ", "Here is three.", image]);
  expect(origins).toEqual([0, 1, 1, 1, 2]);
});

test("a document has the score of its best passage, and its place in Unicode characters", () => {
  const response = bestOf({ ...cut(["a b", long, image]), ms: 5 }, scored([1, -3, 4, 2, 0]));
  expect([...response.logits]).toEqual([1, 4, 0]);
  expect(response.scores[1]).toBeCloseTo(0.982, 3);
  expect(response.passages).toEqual([{ text: "a b", start: 0, end: 3 }, { text: "It is two. ", start: 10, end: 21 }, undefined]);
  expect(response.usage).toEqual({ promptTokens: 100, totalTokens: 100 });
  expect(response.timings).toMatchObject({ tokenizeMs: 8, totalMs: 15, computeMs: 4 });
  expect([...response.promptTokens]).toEqual([1, 2 + 3 + 4, 5]);
});

test("the first of equal passages counts", () => {
  expect(bestOf({ ...cut([long]), ms: 0 }, scored([4, 4, 4])).passages?.[0]?.start).toBe(0);
});

test("a document of which a passage has no score has none", () => {
  const response = bestOf({ ...cut(["a b", long]), ms: 0 }, scored([1, 2, Number.NaN, 3]));
  expect(response.unscored).toEqual([1]);
  expect([...response.logits]).toEqual([1, Number.NaN]);
  expect([...response.scores].map(Number.isNaN)).toEqual([false, true]);
  expect(response.passages?.[1]).toBeUndefined();
  expect([...response.promptTokens]).toEqual([1, 0]);
});

test("a document whose end is left out says so, or is refused", () => {
  const [one, other] = ["a b", `${long} And there is more. Much more.`];
  const response = bestOf({ ...cut([one, other]), ms: 0 }, scored([1, 2, 3, 4]));
  expect(response.droppedTokens[0]).toBe(0);
  expect(response.droppedTokens[1]).toBeGreaterThan(3);
  expect(failure(() => cut([one, other], { pairs: 10, cut: false }))).toMatchObject({
    code: "document_too_long",
    message: "documents[1]: has more than 3 passages of 3 tokens and nothing may be cut",
  });
});

test("more passages than may ever wait are refused as soon as there is one too many", () => {
  const read: string[] = [];
  const counting = (text: string) => {
    read.push(text);
    return text.split(" ").length;
  };
  const limits = { maxTokens: 1, overlapTokens: 0, max: 1e9 };
  const steps = cutDocuments(["word ".repeat(100_000)], limits, { pairs: 5, cut: true }, counting);
  const run = () => {
    while (!steps.next().done);
  };
  expect(failure(run)).toMatchObject({ code: "too_many_documents" });
  expect(read.length).toBeLessThan(5000);
  expect(failure(() => cut([long, long], { pairs: 5, cut: true }))).toMatchObject({
    code: "too_many_documents",
    message:
      "documents: at most 5 passages, as many as may wait, are allowed in one request, got more; send fewer documents, or a smaller passages.max",
  });
});

test("what was kept of passages is told of their documents; a passage that is not stored may be of any of them", () => {
  const cost = { computedTokens: 9, reusedTokens: 1, encodedImages: 0, queueMs: 1, tokenizeMs: 2, computeMs: 3, totalMs: 6 };
  const ofPassages = { promptTokens: new Uint32Array([1, 2, 3, 4]), droppedTokens: new Uint32Array(4), ...cost };
  const kept = (storedDocuments: number) =>
    keptOf({ ...cut(["a b", `${long} And there is more.`]), ms: 5 }, { ...ofPassages, storedDocuments });
  expect([...kept(4).promptTokens]).toEqual([1, 9]);
  expect(kept(4).droppedTokens[0]).toBe(0);
  expect(kept(4).droppedTokens[1]).toBeGreaterThan(0);
  expect([kept(4), kept(3), kept(1)].map(({ storedDocuments }) => storedDocuments)).toEqual([2, 1, 0]);
  expect(kept(4)).toMatchObject({ tokenizeMs: 7, totalMs: 11, computedTokens: 9 });
});
