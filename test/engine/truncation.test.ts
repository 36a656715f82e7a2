/** What is cut of a pair that is too long: never the query, and of the document as much as the request allows. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Reranker } from "../../src/reranker.js";
import { randomModel, wideShape } from "../support/random-models.js";
import { text } from "../support/texts.js";

const query = "how do machines learn?";
const words = text(120, 3);
let reranker: Reranker;

beforeAll(async () => {
  const files = await randomModel({ ...wideShape, layers: 2 });
  reranker = await Reranker.load({
    ...files,
    contextSize: 256,
    gpuLayers: 0,
    maxDocuments: 200,
    documentCacheMb: 0,
    scoreCacheMb: 0,
  });
});
afterAll(() => reranker.close());

async function scored(document: string, options: object = {}) {
  const { logits, promptTokens, droppedTokens } = await reranker.score({ query, documents: [document], ...options });
  return { logit: logits[0], tokens: promptTokens[0] as number, dropped: droppedTokens[0] as number };
}

/** The document's longest beginning or end that scores as the cut document does. */
async function partsThatScoreLike(logit: number | undefined, parts: readonly string[]): Promise<string[]> {
  const { logits } = await reranker.score({ query, documents: parts });
  return parts.filter((_, index) => logits[index] === logit);
}

describe("maxDocumentTokens", () => {
  it("keeps the beginning of a document, and says what was dropped", async () => {
    const whole = await scored(words);
    const cut = await scored(words, { maxDocumentTokens: 20 });
    const empty = await scored("");
    expect(whole.dropped).toBe(0);
    expect(cut.dropped).toBe(whole.tokens - cut.tokens);
    expect(Math.abs(cut.tokens - empty.tokens - 20)).toBeLessThanOrEqual(2);
    const beginnings = Array.from({ length: 160 }, (_, length) => words.slice(0, length + 1));
    expect(await partsThatScoreLike(cut.logit, beginnings)).toHaveLength(1);
  });

  it("keeps the end where the start is to be cut", async () => {
    const cut = await scored(words, { maxDocumentTokens: 20, truncate: "start" });
    const ends = Array.from({ length: 160 }, (_, length) => words.slice(-length - 1));
    expect(await partsThatScoreLike(cut.logit, ends)).toHaveLength(1);
  });

  it("leaves a document alone that is short enough", async () => {
    expect(await scored("a few words", { maxDocumentTokens: 20 })).toEqual(await scored("a few words"));
    expect(await scored(words, { maxDocumentTokens: 0 })).toEqual(await scored(words));
  });
});

describe("a document that does not fit the context", () => {
  const long = text(600, 4);

  it("loses its end, or its start, and fills the context", async () => {
    const [end, start] = [await scored(long), await scored(long, { truncate: "start" })];
    expect(end.logit).not.toBe(start.logit);
    for (const cut of [end, start]) {
      expect(cut.tokens).toBeGreaterThan(250);
      expect(cut.tokens).toBeLessThanOrEqual(256);
      expect(cut.dropped).toBeGreaterThan(300);
    }
  });

  it("is an error when nothing may be cut, and names the document and both numbers", async () => {
    const documents = ["short", long];
    await expect(reranker.score({ query, documents, truncate: "never" })).rejects.toMatchObject({
      code: "document_too_long",
      status: 422,
      message: expect.stringMatching(/^documents\[1\]: takes more than the \d+ tokens there is room for and nothing may be cut$/),
    });
    expect((await scored(words, { truncate: "never" })).dropped).toBe(0);
  });

  it("of several-byte characters is cut between them, at either end", async () => {
    const cjk = "機械学習とは何ですか。".repeat(80);
    for (const truncate of ["end", "start"] as const) {
      const cut = await scored(cjk, { truncate, maxDocumentTokens: 31 });
      const parts = Array.from({ length: 120 }, (_, n) => (truncate === "end" ? cjk.slice(0, n) : cjk.slice(cjk.length - n)));
      expect(await partsThatScoreLike(cut.logit, parts)).not.toHaveLength(0);
    }
  });
});

describe("a request's options", () => {
  it.each([
    [{ maxDocumentTokens: -1 }, "maxDocumentTokens"],
    [{ maxDocumentTokens: 1.5 }, "maxDocumentTokens"],
    [{ truncate: "middle" }, "truncate"],
    [{ priority: 1000 }, "priority"],
    [{ priority: -1 }, "priority"],
  ])("that are wrong are refused by name: %j", async (options, name) => {
    await expect(scored(words, options)).rejects.toMatchObject({
      code: "invalid_request",
      message: expect.stringContaining(`${name}: expected`),
    });
  });

  it("a priority changes no score", async () => {
    expect(await scored(words, { priority: 999 })).toEqual(await scored(words));
  });
});
