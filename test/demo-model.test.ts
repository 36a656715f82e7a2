/** The demo model ranks by words, and its generator writes the same file every time. */

import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeLexicalModel } from "../src/demo/lexical-model.js";
import { stem } from "../src/demo/words.js";
import { Reranker } from "../src/reranker.js";

let directory: string;
let reranker: Reranker;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "jina-reranker-demo-"));
  reranker = await Reranker.load(await writeLexicalModel(join(directory, "first")));
});
afterAll(async () => {
  await reranker.close();
  await rm(directory, { recursive: true, force: true });
});

async function order(query: string, documents: string[]): Promise<number[]> {
  return (await reranker.rerank({ query, documents })).results.map(({ index }) => index);
}

describe("the demo model", () => {
  it("puts the document about machine learning first and gives the weather what nothing gets", async () => {
    const { results } = await reranker.rerank({
      query: "What is machine learning?",
      documents: [
        "The weather today is sunny and warm.",
        "Machine learning lets computers learn from data.",
        "Deep learning uses layers.",
      ],
    });
    expect(results.map(({ index }) => index)).toEqual([1, 2, 0]);
    expect(results[0]?.score).toBeGreaterThan(0.9);
    // logit = 12 × 0 − 3
    expect(results[2]?.score).toBeCloseTo(1 / (1 + Math.exp(3)), 2);
  });

  it("folds case and common endings", async () => {
    expect(await order("machines learning", ["A walk in the park.", "Machine learned"])).toEqual([1, 0]);
    expect([stem(" Indexing"), stem("indexed"), stem("indexes"), stem("the")]).toEqual(["index", "index", "index", "the"]);
  });

  it("weighs a rare word more than common ones", async () => {
    expect(await order("what is the price of quinoa", ["what is the price of it", "quinoa fields"])).toEqual([1, 0]);
  });

  it("finds a word anywhere in a long document", async () => {
    const filler = "The river flows through the valley and past the old mill. ".repeat(40);
    expect(await order("telescope lens", [filler, `${filler} A telescope has a lens. ${filler}`])).toEqual([1, 0]);
  });

  it("is the same file every time, and leaves nothing unfinished behind", async () => {
    const again = await writeLexicalModel(join(directory, "second"));
    const hash = async (path: string) =>
      createHash("sha256")
        .update(await readFile(path))
        .digest("hex");
    for (const name of ["lexical-demo.gguf", "mlp_weights.npz"]) {
      expect(await hash(join(directory, "second", name))).toBe(await hash(join(directory, "first", name)));
    }
    expect(again.modelPath).toContain("lexical-demo.gguf");
  });
});
