/** PRECISION: which weights are computed with, converted once and kept, and a verdict that is remembered. */

import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readScoreHead } from "../src/model/head.js";
import { native } from "../src/native.js";
import { resolveLoadOptions } from "../src/options.js";
import { choosePrecision } from "../src/precision/precision.js";
import { Reranker } from "../src/reranker.js";
import type { LoadActivity, LoadOptions } from "../src/types.js";
import { type ModelFiles, randomModel, wideShape } from "./support/random-models.js";
import { text } from "./support/texts.js";

const request = { query: "how do machines learn?", documents: [text(30, 1), text(50, 2), text(70, 3)] };
const shape = { ...wideShape, layers: 6 };
const ownCache = process.env.XDG_CACHE_HOME;
let cache: string;
let files: ModelFiles;

beforeAll(async () => {
  files = await randomModel(shape, "q8_0");
});
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "jina-reranker-precision-"));
  process.env.XDG_CACHE_HOME = cache;
});
afterEach(async () => {
  if (ownCache === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = ownCache;
  await rm(cache, { recursive: true, force: true });
});

const converted = () => join(cache, "jina-reranker", "converted");

async function scored(precision: LoadOptions["precision"] & string) {
  const activities: LoadActivity[] = [];
  const onProgress = (_: number, activity: LoadActivity) => {
    if (activities.at(-1) !== activity) activities.push(activity);
  };
  await using reranker = await Reranker.load({ ...files, contextSize: 512, gpuLayers: 0, threads: 1, precision, onProgress });
  const { logits } = await reranker.score(request);
  return { logits, activities, choice: reranker.precision, info: reranker.info };
}

async function engineOptions() {
  const { maxDocuments, headPath, precision, ...options } = resolveLoadOptions({ ...files, gpuLayers: 0, threads: 1 });
  return { ...options, head: await readScoreHead(headPath) };
}

describe("a precision asked for by name", () => {
  it("is converted once, kept under its source's checksum, and scores as the file does", async () => {
    const own = await scored("file");
    const first = await scored("f16");
    expect(own.choice).toEqual({ precision: "file", modelPath: files.modelPath, reason: "PRECISION=file" });
    expect(first.choice).toMatchObject({ precision: "f16", reason: "PRECISION=f16" });
    expect(first.activities).toEqual(["hashing", "converting", "loading"]);
    expect(first.info.description).toContain("F16");
    expect(await readdir(converted())).toEqual([expect.stringMatching(/^[0-9a-f]{64}-f16\.gguf$/)]);
    for (const [index, logit] of own.logits.entries()) expect(Math.abs((first.logits[index] ?? 9) - logit)).toBeLessThan(0.05);

    const made = await stat(first.choice.modelPath);
    const again = await scored("f16");
    expect(again.activities).toEqual(["loading"]);
    expect(again.logits).toEqual(first.logits);
    expect((await stat(first.choice.modelPath)).mtimeMs).toBe(made.mtimeMs);
  });

  it("leaves the token embeddings as they are, which are only looked up", async () => {
    const { choice } = await scored("bf16");
    const [source, result] = [native.inspect(files.modelPath), native.inspect(choice.modelPath)];
    expect(result).toMatchObject({ parameters: source.parameters, embeddingBytes: source.embeddingBytes, layers: shape.layers });
    expect(result.bytes - result.embeddingBytes).toBeGreaterThan(1.8 * (source.bytes - source.embeddingBytes));
  });

  it("is converted once when two loads want it at the same time", async () => {
    const both = await Promise.all([scored("f16"), scored("f16")]);
    expect(both.map(({ activities }) => activities.includes("converting")).filter(Boolean)).toHaveLength(1);
    expect(both[0]?.logits).toEqual(both[1]?.logits);
    expect(await readdir(converted())).toHaveLength(1);
  });

  it("is converted anew where an earlier process was killed in the middle of it", async () => {
    const { choice } = await scored("f16");
    await rm(choice.modelPath);
    await writeFile(`${choice.modelPath}.partial`, "GGUF, and then nothing");
    expect((await scored("f16")).activities).toContain("converting");
    expect(await readdir(converted())).toEqual([basename(choice.modelPath)]);
  });

  it("is an error that says what to do where the cache cannot be written", async () => {
    await writeFile(join(cache, "file"), "");
    process.env.XDG_CACHE_HOME = join(cache, "file");
    await expect(scored("f16")).rejects.toMatchObject({
      code: "cache_not_writable",
      message: expect.stringContaining("PRECISION=file"),
    });
  });
});

describe("auto", () => {
  it("computes a small model as it is", async () => {
    const { choice, activities } = await scored("auto");
    expect(choice).toEqual({ precision: "file", modelPath: files.modelPath, reason: "the model is small" });
    expect(activities).toEqual(["loading"]);
  });

  it("times every candidate once, and remembers the verdict with its figures", async () => {
    const options = await engineOptions();
    const activities = new Set<LoadActivity>();
    const choose = () => choosePrecision(options, "auto", (_, activity) => activities.add(activity), 0);
    const first = await choose();
    expect(activities.has("timing")).toBe(true);
    const rates = first.tokensPerSecond ?? {};
    expect(Object.keys(rates)).toEqual(expect.arrayContaining(["file", "f16", "q8_0"]));
    for (const rate of Object.values(rates)) expect(rate).toBeGreaterThan(0);
    const best = Math.max(...Object.values(rates));
    expect(rates[first.precision]).toBeGreaterThanOrEqual(best / 1.05);
    expect(first.reason).toMatch(/; tokens\/s of a part of the model: file \d+, f16 \d+/);
    expect((await stat(first.modelPath)).isFile()).toBe(true);
    expect(first.modelPath === files.modelPath).toBe(first.precision === "file");
    expect((await readdir(join(cache, "jina-reranker", "precision"))).filter((name) => !name.endsWith(".json"))).toEqual([]);

    activities.clear();
    expect(await choose()).toEqual(first);
    expect(activities).not.toContain("timing");
  });

  it("stays with the file and says why where the cache cannot be written", async () => {
    await writeFile(join(cache, "file"), "");
    process.env.XDG_CACHE_HOME = join(cache, "file");
    const choice = await choosePrecision(await engineOptions(), "auto", () => {}, 0);
    expect(choice).toMatchObject({ precision: "file", modelPath: files.modelPath });
    expect(choice.reason).toMatch(/^no other could be tried: /);
  });
});
