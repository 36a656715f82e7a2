/** Which token is scored. In the published file its id is the one of the training; a plain conversion leaves it elsewhere. */

import { afterEach, describe, expect, it } from "vitest";
import { native } from "../../src/native/index.js";
import { Reranker } from "../../src/reranker.js";
import { randomModel, type Shape } from "../support/random-models.js";

const shape: Shape = {
  layers: 1,
  embeddingLength: 64,
  headLength: 64,
  kvHeads: 1,
  feedForwardLength: 64,
  vocabularySize: "full",
  type: "f16",
  seed: 5,
};
const lines: string[] = [];

afterEach(() => {
  native.setLogSink(undefined);
  lines.length = 0;
});

/** The score token of a model and the lines of warning that loading it gave. */
async function load(vocabularySize: Shape["vocabularySize"]) {
  native.setLogSink((level, line) => {
    if (level === "warn" && line.includes("<|box_end|>")) lines.push(line);
  });
  await using reranker = await Reranker.load({
    ...(await randomModel({ ...shape, vocabularySize })),
    contextSize: 64,
    gpuLayers: 0,
  });
  const { scores } = await reranker.score({ query: "q", documents: ["d"] });
  // The loading thread writes its lines in order, before it answers.
  return { token: reranker.info.scoreToken, warnings: [...lines], score: scores[0] as number };
}

describe("the score token", () => {
  it("is <|box_end|>, which the published file has at id 100", async () => {
    expect(await load("full")).toMatchObject({ token: 100, warnings: [] });
  });

  it("is id 100 as well where a conversion left <|box_end|> at 151649, and that is said once", async () => {
    const { token, warnings, score } = await load("full-unswapped");
    expect(token).toBe(100);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("151649");
    expect(score).toBeGreaterThan(0);
  });
});
