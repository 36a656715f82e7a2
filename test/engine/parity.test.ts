/** The engine against a plain float64 forward pass over the same weights and tokens. */

import { afterAll, describe, expect, it } from "vitest";
import { readScoreHead } from "../../src/model/head.js";
import { native } from "../../src/native/index.js";
import { Reranker } from "../../src/reranker.js";
import type { LoadOptions } from "../../src/types.js";
import { forward, readGguf } from "../reference/forward.js";
import { randomModel, type Shape } from "../support/random-models.js";
import { text } from "../support/texts.js";

const shapes: Record<string, Shape> = {
  "2 layers, heads of 64": shape({ layers: 2, embeddingLength: 256, headLength: 64, kvHeads: 2, seed: 1 }),
  "3 layers, heads of 128": shape({ layers: 3, embeddingLength: 256, headLength: 128, kvHeads: 1, seed: 2 }),
  "4 layers, heads of 64, one KV head": shape({ layers: 4, embeddingLength: 256, headLength: 64, kvHeads: 1, seed: 3 }),
};

function shape(part: Pick<Shape, "layers" | "embeddingLength" | "headLength" | "kvHeads" | "seed">): Shape {
  return { ...part, feedForwardLength: 512, vocabularySize: 4000, type: "f32" };
}

const query = "which document speaks of machine learning?";
const documents = [text(3, 1), text(20, 2), text(45, 3), "", "漢字 and emoji 😀"];

/** The largest difference between the engine's logits and the reference's. */
async function worstDifference(shape: Shape, precision: "f32" | "f16", options: Partial<LoadOptions>): Promise<number> {
  const files = await randomModel(shape, precision);
  const engine = await native.Engine.load({
    modelPath: files.modelPath,
    head: await readScoreHead(files.headPath),
    contextSize: 512,
    batchTokens: 128,
    backend: "cpu",
    gpuLayers: 0,
    threads: 2,
    reproducible: "exact",
    kvType: "f16",
    maxQueuedPairs: 100,
    documentCacheBytes: 0,
    scoreCacheBytes: 0,
    deduplicate: true,
    ...options,
  });
  try {
    const { logits } = await engine.submit({ query, documents }).result;
    const weights = await readGguf(files.modelPath);
    const head = await readScoreHead(files.headPath);
    const differences = documents.map((document, index) => {
      const { tokens } = engine.tokenizePair(query, document);
      return Math.abs(forward(weights, head, tokens).logit - (logits[index] as number));
    });
    return Math.max(...differences);
  } finally {
    await engine.close();
  }
}

describe.each(Object.entries(shapes))("a random model of %s", (_, shape) => {
  it("gives the float64 logits within 1e-5 with f32 KV state", async () => {
    expect(await worstDifference(shape, "f32", { kvType: "f32" })).toBeLessThan(1e-5);
  });

  it("gives the float64 logits within 1e-2 by default", async () => {
    expect(await worstDifference(shape, "f32", {})).toBeLessThan(1e-2);
  });

  it("gives the float64 logits within 2e-2 with F16 weights", async () => {
    expect(await worstDifference(shape, "f16", {})).toBeLessThan(2e-2);
  });
});

describe("the library", () => {
  let reranker: Reranker | undefined;
  afterAll(async () => reranker?.close());

  it("returns the sigmoid of the logits", async () => {
    const files = await randomModel(shapes["2 layers, heads of 64"] as Shape);
    reranker = await Reranker.load({ ...files, contextSize: 512 });
    const { scores, logits } = await reranker.score({ query, documents });
    expect(new Set(logits).size).toBe(documents.length);
    for (const [index, score] of scores.entries()) {
      expect(score).toBeCloseTo(1 / (1 + Math.exp(-(logits[index] as number))), 6);
    }
  });
});
