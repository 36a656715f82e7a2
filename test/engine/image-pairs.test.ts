/** Pairs with images through the engine: against float64, in every company, and what happens to those that cannot be scored. */

import { beforeAll, describe, expect, it } from "vitest";
import type { Engine, EngineOptions, Image, ScoreRequest, ScoreResult } from "../../binding.js";
import { specialTokens } from "../../src/demo/vocabulary.js";
import { readScoreHead } from "../../src/model/head.js";
import { native } from "../../src/native/index.js";
import { forward, type Position, type Row, readGguf } from "../reference/forward.js";
import type { GgufFile } from "../reference/gguf-file.js";
import { rasterOrder, type Variation, vision } from "../reference/vision.js";
import { structuredImage } from "../support/images.js";
import { type ModelFiles, randomMmproj, randomModel, type Shape } from "../support/random-models.js";
import { mixedDocuments } from "../support/texts.js";
import { until } from "../support/until.js";

const shape: Shape = {
  layers: 3,
  embeddingLength: 256,
  headLength: 64,
  kvHeads: 2,
  feedForwardLength: 512,
  vocabularySize: 4000,
  type: "f32",
  seed: 41,
};
const special = (name: (typeof specialTokens)[number]) => (shape.vocabularySize as number) + specialTokens.indexOf(name);

let model: ModelFiles;
let mmprojPath: string;
let options: EngineOptions;

beforeAll(async () => {
  model = await randomModel(shape);
  const tower = { layers: 4, embeddingLength: 64, headLength: 16, feedForwardLength: 256, projectionLength: 256 };
  mmprojPath = await randomMmproj({ ...tower, type: "f32", seed: 5 });
  options = {
    modelPath: model.modelPath,
    head: await readScoreHead(model.headPath),
    contextSize: 2048,
    batchTokens: 0,
    gpuLayers: 0,
    backend: "cpu",
    threads: 2,
    reproducible: "exact",
    kvType: "f32",
    maxQueuedPairs: 100,
    documentCacheBytes: 0,
    scoreCacheBytes: 0,
    deduplicate: true,
    vision: { mmprojPath, maxTokens: 768, cacheBytes: 0 },
  };
});

function image(width: number, height: number, seed: number): Image {
  return { ...structuredImage(width, height, seed), hash: `${width}x${height}, seed ${seed}` };
}

/** The result of one request to an engine of its own. */
async function score(request: ScoreRequest, changes: Partial<EngineOptions> = {}): Promise<ScoreResult> {
  return withEngine(changes, (engine) => engine.submit(request).result);
}

async function withEngine<Value>(changes: Partial<EngineOptions>, action: (engine: Engine) => Promise<Value>): Promise<Value> {
  const engine = await native.Engine.load({ ...options, ...changes });
  try {
    return await action(engine);
  } finally {
    await engine.close();
  }
}

const logit = async (request: ScoreRequest, changes: Partial<EngineOptions> = {}) => (await score(request, changes)).logits[0];

const wide = image(28 * 7, 28 * 3, 1);
const high = image(28 * 3, 28 * 8, 2);
const page = image(28 * 12, 28 * 16, 3);

describe("the logit in float64 of", () => {
  let languageModel: GgufFile;
  let tower: GgufFile;
  let tokens: (text: string) => number[];

  beforeAll(async () => {
    languageModel = await readGguf(model.modelPath);
    tower = await readGguf(mmprojPath);
    const heads = ["Rank pages.\n", "**Document**:\n", "\n", "**Query**:\n", "a river of stone", "What is paper made of?"];
    const known = await withEngine({}, async (engine) => new Map(heads.map((text) => [text, [...engine.tokenize(text)]])));
    tokens = (text) => known.get(text) ?? [];
  });

  interface Mistake extends Variation {
    positions?: (position: Position, row: number) => Position;
  }

  function expected(query: string | Image, document: string | Image, mistake: Mistake = {}, before = ""): number {
    const rows: Row[] = [];
    const positions: Position[] = [];
    let next = 0;
    const text = (ids: number[]) => {
      for (const id of ids) {
        rows.push(id);
        positions.push([next, next, next]);
        next += 1;
      }
    };
    const content = (what: string | Image) => {
      if (typeof what === "string") return text(tokens(what));
      text([special("<|vision_start|>")]);
      const columns = what.width / 28;
      for (const [index, row] of vision(tower, what, mistake).entries()) {
        rows.push(row);
        positions.push([next, next + Math.floor(index / columns), next + (index % columns)]);
      }
      next += Math.max(columns, what.height / 28);
      text([special("<|vision_end|>")]);
    };
    text(tokens(before));
    text(tokens("**Document**:\n"));
    content(document);
    text([...tokens("\n"), ...tokens("**Query**:\n")]);
    content(query);
    text([special("<|box_end|>")]);
    const { positions: changed = (same) => same } = mistake;
    return forward(languageModel, options.head, rows, positions.map(changed)).logit;
  }

  it.each<[string, string | Image, string | Image]>([
    ["a text and a wide image", "a river of stone", wide],
    ["a text and a high image", "What is paper made of?", high],
    ["an image and a text", high, "a river of stone"],
    ["an image and another image", wide, high],
    ["an image and the same image", wide, wide],
  ])("%s is ours within 1e-3", async (_, query, document) => {
    // Embeddings are kept in f16.
    expect(Math.abs(((await logit({ query, documents: [document] })) ?? Number.NaN) - expected(query, document))).toBeLessThan(
      1e-3,
    );
  });

  it("a text and an image behind an instruction is ours within 1e-3", async () => {
    const ours = await logit({ query: "a river of stone", documents: [high], instruction: "Rank pages." });
    const behind = expected("a river of stone", high, {}, "Rank pages.\n");
    expect(Math.abs((ours ?? Number.NaN) - behind)).toBeLessThan(1e-3);
    expect(Math.abs(behind - expected("a river of stone", high))).toBeGreaterThan(5e-3);
  });

  it.each<[string, Mistake]>([
    ["height and width swapped", { positions: ([t, h, w]) => [t, w, h] }],
    ["text behind the image one later", { positions: ([t, h, w], row) => (row < 29 ? [t, h, w] : [t + 1, h + 1, w + 1]) }],
    ["patches row by row", { places: rasterOrder }],
    ["the rows of patches for their columns", { turns: ({ row, column }) => [column, row] }],
    ["red's mean for blue's", { mean: (mean) => mean.toReversed() }],
  ])("an image with %s is another", async (_, mistake) => {
    const ours = await logit({ query: "a river of stone", documents: [high] });
    expect(Math.abs((ours ?? Number.NaN) - expected("a river of stone", high, mistake))).toBeGreaterThan(5e-3);
  });
});

describe("bit for bit, a pair with an image", () => {
  const query = "a river of stone";
  const texts = ["paper is made of wood", "the machine learns ".repeat(150), "green houses"];
  let alone: number | undefined;
  beforeAll(async () => {
    alone = await logit({ query, documents: [page] });
  });

  it("has the logit among texts and images that it has alone, and these have theirs", async () => {
    const { logits } = await score({ query, documents: [...texts, wide, page, high] });
    expect(logits[4]).toBe(alone);
    expect(logits.slice(0, 3)).toEqual((await score({ query, documents: texts })).logits);
    expect(logits[3]).toBe(await logit({ query, documents: [wide] }));
  });

  it("has it without a tower beside texts", async () => {
    const { vision: _, ...without } = options;
    const { logits } = await score({ query, documents: texts });
    const engine = await native.Engine.load(without);
    expect((await engine.submit({ query, documents: texts }).result).logits).toEqual(logits);
    await engine.close();
  });

  it("has it when its rows are spread over batches of 64", async () => {
    expect(await logit({ query, documents: [page] }, { batchTokens: 64 })).toBe(alone);
  });

  it("has it behind a kept document, which is not encoded again", async () => {
    await withEngine({ documentCacheBytes: 1 << 24 }, async (engine) => {
      await engine.submit({ query: "another one", documents: [page] }).result;
      const { logits, encodedImages, reusedTokens } = await engine.submit({ query, documents: [page] }).result;
      expect(logits[0]).toBe(alone);
      expect(encodedImages).toBe(0);
      expect(reusedTokens).toBeGreaterThan(192);
      expect(engine.stats().imagesEncoded).toBe(1);
    });
  });

  it("has it when its embeddings were kept", async () => {
    await withEngine({ vision: { mmprojPath, maxTokens: 768, cacheBytes: 1 << 24 } }, async (engine) => {
      await engine.submit({ query: "another one", documents: [page] }).result;
      const { logits, encodedImages } = await engine.submit({ query, documents: [page] }).result;
      expect(logits[0]).toBe(alone);
      expect(encodedImages).toBe(0);
      expect(engine.stats()).toMatchObject({ imagesEncoded: 1, imagesReused: 1, imageCacheEntries: 1 });
      expect(engine.stats().imageCacheBytes).toBeGreaterThan(192 * 256 * 2);
    });
  });

  it("is found in the score cache by its hash", async () => {
    await withEngine({ scoreCacheBytes: 1 << 20 }, async (engine) => {
      await engine.submit({ query, documents: [page] }).result;
      const { logits, computedTokens, encodedImages } = await engine.submit({ query, documents: [page] }).result;
      expect([logits[0], computedTokens, encodedImages]).toEqual([alone, 0, 0]);
    });
  });
});

/** Gives an engine texts that keep it busy, so that what comes next waits, and waits for its first batch; resolves to their end. */
async function busyWith(engine: Engine): Promise<{ end: Promise<unknown> }> {
  const texts = engine.submit({ query: "which city?", documents: mixedDocuments(30, 100, 200, 5) });
  await until(() => engine.stats().batches > 0);
  return { end: texts.result };
}

describe("an engine with a tower", () => {
  it("encodes a query once for all documents, and a repeated document once", async () => {
    const { encodedImages, logits } = await score({ query: wide, documents: ["a river", page, "stones", page] });
    expect(encodedImages).toBe(2);
    expect(logits[1]).toBe(logits[3]);
  });

  it("encodes an image once for requests that come together", async () => {
    await withEngine({}, async (engine) => {
      const busy = await busyWith(engine);
      const queries = ["a river", "stones", "paper"];
      const results = await Promise.all(queries.map((query) => engine.submit({ query, documents: [page] }).result));
      expect(engine.stats().imagesEncoded).toBe(1);
      expect(results.map(({ encodedImages }) => encodedImages).toSorted()).toEqual([0, 0, 1]);
      for (const [index, query] of queries.entries()) {
        expect(results[index]?.logits[0]).toBe(await logit({ query, documents: [page] }));
      }
      await busy.end;
    });
  });

  it("goes on with an image whose request was cancelled, for another that waits for it", async () => {
    await withEngine({}, async (engine) => {
      const busy = await busyWith(engine);
      const first = engine.submit({ query: "a river", documents: [page] });
      const second = engine.submit({ query: "stones", documents: [page] });
      const failed = expect(first.result).rejects.toMatchObject({ code: "cancelled" });
      expect(first.cancel()).toBe(true);
      await failed;
      expect((await second.result).logits[0]).toBe(await logit({ query: "stones", documents: [page] }));
      await busy.end;
      expect(engine.stats()).toMatchObject({ pairsQueued: 0, tokensQueued: 0, workQueued: 0 });
    });
  });

  it("counts an image's tokens, and the work of encoding it until it is done", async () => {
    await withEngine({}, async (engine) => {
      const perToken = engine.info.vision?.workPerToken ?? 0;
      expect(perToken).toBeGreaterThan(0);
      const busy = await busyWith(engine);
      const job = engine.submit({ query: "a river", documents: [page] });
      const { tokensQueued, workQueued } = engine.stats();
      expect(tokensQueued).toBeGreaterThanOrEqual(192);
      expect(workQueued).toBeGreaterThan(192 * (1 + perToken));
      const { promptTokens } = await job.result;
      expect(promptTokens[0]).toBeGreaterThan(192 + 10);
      await busy.end;
      const { workQueued: left, workDone, imagesEncoded, imageEncodeMs } = engine.stats();
      expect([left, imagesEncoded]).toEqual([0, 1]);
      expect(workDone).toBeGreaterThan(192 * (1 + perToken));
      expect(imageEncodeMs).toBeGreaterThan(0);
    });
  });

  it("takes images of other sizes for others, whatever their hash says", async () => {
    await withEngine({ vision: { mmprojPath, maxTokens: 768, cacheBytes: 1 << 24 } }, async (engine) => {
      await engine.submit({ query: "a river", documents: [wide] }).result;
      const { logits, encodedImages } = await engine.submit({ query: "a river", documents: [{ ...page, hash: wide.hash }] })
        .result;
      expect(encodedImages).toBe(1);
      expect(logits[0]).toBe(await logit({ query: "a river", documents: [page] }));
    });
  });

  it("refuses an image that does not fit, and one that may not be as long", async () => {
    await withEngine({ contextSize: 128 }, async (engine) => {
      await expect(engine.submit({ query: "a river", documents: [page] }).result).rejects.toMatchObject({
        code: "document_too_long",
        message: expect.stringMatching(
          /^documents\[0\]: an image of 192 tokens, which is never cut, and there is room for 11\d$/,
        ),
      });
      await expect(engine.submit({ query: page, documents: ["a river"] }).result).rejects.toMatchObject({
        code: "query_too_long",
      });
      await expect(
        engine.submit({ query: "a river", documents: ["text", high], maxDocumentTokens: 20 }).result,
      ).rejects.toMatchObject({ code: "document_too_long", message: expect.stringMatching(/^documents\[1\]: .*24.*20$/) });
    });
  });

  it.each<[string, object, RegExp]>([
    ["sides of no tokens", { width: 30 }, /^documents\[0\]: expected an image whose sides are multiples of 28/],
    ["too few bytes", { rgb: new Uint8Array(5) }, /with 5 bytes$/],
    ["no bytes", { rgb: [1, 2, 3] }, /^documents\[0\]\.rgb: expected a Uint8Array, got an array$/],
    ["a side that is no number", { width: Number.NaN }, /^documents\[0\]\.width: /],
    ["no hash", { hash: "" }, /^documents\[0\]\.hash: expected 1 to 128 characters, got 0$/],
  ])("refuses %s", async (_, change, message) => {
    await withEngine({}, async (engine) => {
      const wrong = { ...wide, ...change } as Image;
      const submit = () => engine.submit({ query: "a river", documents: [wrong] });
      expect(submit).toThrow(expect.objectContaining({ code: "invalid_argument", message: expect.stringMatching(message) }));
    });
  });
});

describe("without a tower", () => {
  it("an image is refused", async () => {
    const { vision: _, ...without } = options;
    const engine = await native.Engine.load(without);
    expect(engine.info.vision).toBeUndefined();
    const submit = () => engine.submit({ query: "a river", documents: ["text", wide] });
    expect(submit).toThrow(
      expect.objectContaining({ code: "images_not_supported", message: expect.stringContaining("documents[1]") }),
    );
    await engine.close();
  });

  it.each<[string, () => Partial<EngineOptions>, string]>([
    ["that is missing", () => ({ vision: { mmprojPath: "none.gguf", maxTokens: 768, cacheBytes: 0 } }), "model_not_found"],
    [
      "that is a language model",
      () => ({ vision: { mmprojPath: model.modelPath, maxTokens: 768, cacheBytes: 0 } }),
      "model_invalid",
    ],
  ])("one %s is refused at load", async (_, changes, code) => {
    await expect(native.Engine.load({ ...options, ...changes() })).rejects.toMatchObject({ code });
  });
});
