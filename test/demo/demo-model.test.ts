/** The demo model ranks by words. Generated models have the requested shape and the same bytes every time. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeLexicalModel } from "../../src/demo/lexical-model.js";
import { writeModelFiles } from "../../src/demo/model-files.js";
import { type RandomModelOptions, writeRandomModel } from "../../src/demo/random-model.js";
import { fullVocabulary, specialTokens, truncatedVocabulary } from "../../src/demo/vocabulary.js";
import { stem } from "../../src/demo/words.js";
import { readScoreHead } from "../../src/model/head.js";
import { Reranker } from "../../src/reranker.js";
import { readGguf } from "../reference/gguf-file.js";
import { sampled } from "../support/nightly.js";

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

async function hash(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

async function order(query: string, documents: string[]): Promise<number[]> {
  return (await reranker.rerank({ query, documents })).results.map(({ index }) => index);
}

/** A document for each common word, and the forms of the word that are its queries. */
const commonWords = readFileSync(new URL("../support/common-words.txt", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => {
    const [words = "", document = ""] = line.split(": ");
    return { asked: words.split(" "), document };
  });

describe("the demo model", () => {
  it("puts the document about machine learning first and gives the weather the lowest score", async () => {
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
    // logit = 7 × 0 − 3
    expect(results[2]?.score).toBeCloseTo(1 / (1 + Math.exp(3)), 2);
  });

  it("folds case and common endings", async () => {
    expect(await order("machines learning", ["A walk in the park.", "Machine learned"])).toEqual([1, 0]);
  });

  it("removes an inflection only when a known word is left", () => {
    const known = new Set(
      "index hope hop run bake box house city movie die study wolf knife open bus sing new build building the".split(" "),
    );
    const words = {
      index: "indexing indexed indexes",
      hope: "hoping hoped hopes",
      hop: "hopping hopped hops",
      bake: "baking baked bakes",
      run: "running runs",
      box: "boxes boxing",
      house: "houses",
      city: "cities",
      movie: "movies",
      die: "dying dies died",
      study: "studies studied studying",
      wolf: "wolves",
      knife: "knives",
      build: "buildings building builds",
      // No known word would be left of these.
      sing: "sing",
      bus: "bus buses",
      glass: "glass",
      the: "the",
    };
    for (const [base, inflected] of Object.entries(words)) {
      for (const word of inflected.split(" ")) expect([word, stem(word, known)]).toEqual([word, base]);
    }
  });

  it("finds common words among a hundred, in any case and simple inflection", async () => {
    const documents = commonWords.map(({ document }) => document);
    for (const [index, { asked }] of sampled([...commonWords.entries()], 5)) {
      const [word = "", ...inflected] = asked;
      const title = word[0]?.toUpperCase() + word.slice(1);
      for (const query of [word, title, word.toUpperCase(), `(${word})`, ...inflected]) {
        const { scores } = await reranker.score({ query, documents });
        const others = scores.filter((_, other) => other !== index);
        expect([query, scores.indexOf(Math.max(...scores))]).toEqual([query, index]);
        expect((scores[index] ?? 0) - Math.max(...others), query).toBeGreaterThan(0.3);
      }
    }
  });

  it("scores a document higher for each further word of the query, however often it has the others", async () => {
    for (const query of [
      "coffee machine",
      "red wine glasses",
      "how do rivers reach the sea",
      "Old stone bridges over quiet water",
    ]) {
      const words = query.split(" ");
      // Each document has one more word of the query than the one before, and the earlier words many times.
      const documents = words.map((_, count) => `${`${words.slice(0, count).join(" ")} `.repeat(5)}${words[count]}`);
      const { scores } = await reranker.score({ query, documents: ["nothing of it", ...documents] });
      expect([query, [...scores]]).toEqual([query, [...scores].sort((a, b) => a - b)]);
      expect(new Set(scores).size, query).toBe(scores.length);
    }
    expect(await order("coffee machine", ["a washing machine", "a coffee grinder", "a coffee machine"])).toEqual([2, 1, 0]);
  });

  it("finds rare words and words with accents, in any case and after punctuation", async () => {
    const documents = [
      "Kubernetes runs containers.",
      "(spirulina)",
      "une école à Besançon",
      "Müller-Lüdenscheidt",
      "Москва зимой",
      "the sea",
    ];
    const queries = [
      "kubernetes KUBERNETES Kubernetes",
      "Spirulina SPIRULINA",
      "École ÉCOLE Besançon",
      "lüdenscheidt MÜLLER",
      "москва ЗИМОЙ",
    ];
    for (const [index, query] of queries.entries()) {
      for (const word of query.split(" ")) expect([word, (await order(word, documents))[0]]).toEqual([word, index]);
    }
  });

  it("weighs a rare word more than common ones", async () => {
    expect(await order("what is the price of quinoa", ["what is the price of it", "quinoa fields"])).toEqual([1, 0]);
  });

  it("finds a word anywhere in a long document", async () => {
    const filler = "The river flows through the valley and past the old mill. ".repeat(40);
    expect(await order("telescope lens", [filler, `${filler} A telescope has a lens. ${filler}`])).toEqual([1, 0]);
  });

  it("has the same bytes every time", async () => {
    const again = await writeLexicalModel(join(directory, "second"));
    for (const name of ["lexical-demo.gguf", "mlp_weights.npz"]) {
      expect(await hash(join(directory, "second", name))).toBe(await hash(join(directory, "first", name)));
    }
    expect(again.modelPath).toContain("lexical-demo.gguf");
  });

  it("says in its name that it was not trained", async () => {
    const { metadata, tensors } = await readGguf(join(directory, "first", "lexical-demo.gguf"));
    expect(metadata.get("general.name")).toBe("jina-reranker demo (lexical, not trained)");
    expect(tensors.get("token_embd.weight")).toMatchObject({ type: "f16", shape: [256, expect.any(Number)] });
  });
});

describe("a random model", () => {
  const write = (name: string, part: Partial<RandomModelOptions> = {}) =>
    writeRandomModel({
      directory: join(directory, name),
      layers: 2,
      embeddingLength: 256,
      headLength: 64,
      kvHeads: 2,
      feedForwardLength: 512,
      vocabularySize: 1000,
      type: "f32",
      seed: 1,
      ...part,
    });

  it("has the shape that was asked for", async () => {
    const { modelPath, headPath } = await write("shape");
    const { metadata, tensors } = await readGguf(modelPath);
    expect(Object.fromEntries(metadata)).toMatchObject({
      "general.architecture": "qwen2vl",
      "qwen2vl.block_count": 2,
      "qwen2vl.attention.head_count": 4,
      "qwen2vl.attention.head_count_kv": 2,
      "qwen2vl.feed_forward_length": 512,
      "qwen2vl.rope.dimension_sections": [8, 12, 12, 0],
    });
    expect(tensors.get("token_embd.weight")?.shape).toEqual([256, 1000 + specialTokens.length]);
    expect(tensors.get("blk.1.attn_k.weight")?.shape).toEqual([256, 128]);
    expect(tensors.get("blk.1.ffn_down.weight")?.shape).toEqual([512, 256]);
    expect((await readScoreHead(headPath)).b1).toHaveLength(256);
  });

  it("depends on its seed only", async () => {
    const [first, second, other] = await Promise.all([write("seed1"), write("seed1-again"), write("seed2", { seed: 2 })]);
    expect(await hash(second.modelPath)).toBe(await hash(first.modelPath));
    expect(await hash(second.headPath)).toBe(await hash(first.headPath));
    expect(await hash(other.modelPath)).not.toBe(await hash(first.modelPath));
  });

  it("has the values of F32 rounded to F16, and keeps vectors in F32", async () => {
    const single = await readGguf((await write("f32")).modelPath);
    const half = await readGguf((await write("f16", { type: "f16" })).modelPath);
    for (const [name, { shape, values }] of single.tensors) {
      const rounded = half.tensors.get(name);
      expect(rounded?.type).toBe(shape.length === 1 ? "f32" : "f16");
      const worst = values.reduce((largest, value, index) => {
        const difference = Math.abs(value - (rounded?.values[index] ?? Number.NaN));
        return Math.max(largest, difference / Math.max(Math.abs(value), 2 ** -14));
      }, 0);
      expect(worst).toBeLessThanOrEqual(shape.length === 1 ? 0 : 2 ** -11);
    }
  });

  it("scores different documents differently", async () => {
    await using random = await Reranker.load({ ...(await write("spread")), contextSize: 512, gpuLayers: 0 });
    const documents = ["river", "a garden in spring", "learn to rank", "coffee", "mountains and music", "The weather is sunny."];
    const { logits } = await random.score({ query: "machine learning", documents });
    expect(new Set(logits).size).toBe(documents.length);
    expect(Math.max(...logits) - Math.min(...logits)).toBeGreaterThan(0.1);
  });

  it("that cannot be finished leaves no file", async () => {
    const fill = () => {
      throw new Error("no more numbers");
    };
    const tensors = [{ name: "t", shape: [4], type: "f32" as const, fill }];
    const broken = writeModelFiles(join(directory, "broken"), "model", { metadata: new Map(), tensors, head: new Uint8Array(4) });
    await expect(broken).rejects.toThrow("no more numbers");
    expect(await readdir(join(directory, "broken"))).toEqual([]);
  });
});

describe("the vocabulary", () => {
  it("cut after K tokens keeps the merges among them and adds the special tokens as control tokens", async () => {
    const { tokens, types, merges } = await truncatedVocabulary(1000);
    expect(tokens.slice(1000)).toEqual([...specialTokens]);
    expect(new Set(types.slice(0, 1000))).toEqual(new Set([1]));
    expect(types.slice(1000)).toEqual(specialTokens.map(() => 3));
    const products = new Set(merges.map((merge) => merge.replace(" ", "")));
    // The first 256 tokens are bytes. Each other token is the product of a merge, and each merge produces one of them.
    expect(tokens.slice(256, 1000).every((token) => products.has(token))).toBe(true);
    expect(products.size).toBe(1000 - 256);
  });

  it("in full has 151,936 rows with the score token at id 100, like the published file", async () => {
    const { tokens, types, special } = await fullVocabulary();
    expect(tokens).toHaveLength(151_936);
    expect(special("<|box_end|>")).toBe(100);
    expect(tokens[151_649]).toBe("\u00a7");
    // Score token, the token it displaced, <|endoftext|>, a placeholder: control, normal, control, unused.
    expect([types[100], types[151_649], types[151_643], types[151_935]]).toEqual([3, 1, 3, 5]);
    expect(new Set(tokens).size).toBe(tokens.length);
  });

  it("is refused when the file cannot be read", async () => {
    await expect(truncatedVocabulary(1000, join(directory, "none.gguf"))).rejects.toThrow("none.gguf");
    await expect(truncatedVocabulary(1000, join(directory, "first", "mlp_weights.npz"))).rejects.toThrow("tokenizer.ggml.tokens");
  });
});
