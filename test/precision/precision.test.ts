/** PRECISION: weights are converted once and kept, and the rates of this machine are remembered. */

import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import os, { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { unfinishedPath } from "../../src/files/write-atomically.js";
import { readScoreHead } from "../../src/model/head.js";
import { produceRecorded, recordPath } from "../../src/model/recorded-file.js";
import { native } from "../../src/native/index.js";
import { choosePrecision } from "../../src/precision/precision.js";
import { Reranker } from "../../src/reranker.js";
import { resolveLoadOptions } from "../../src/settings/load-options.js";
import type { LoadActivity, LoadOptions } from "../../src/types.js";
import { type ModelFiles, randomModel, wideShape } from "../support/random-models.js";
import { text } from "../support/texts.js";

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

const logger = { info: () => {}, warn: () => {} };
const silent = { onProgress: () => {}, logger };
const any = { worthwhileBytes: 0 };
const timings = () => join(cache, "jina-reranker", "precision");
const converted = () => join(cache, "jina-reranker", "converted");

async function scored(precision: LoadOptions["precision"] & string) {
  const activities: LoadActivity[] = [];
  const onProgress = (_: number, activity: LoadActivity) => {
    if (activities.at(-1) !== activity) activities.push(activity);
  };
  const warnings: string[] = [];
  const listening = { ...logger, warn: (line: string) => warnings.push(line) };
  const options = { ...files, contextSize: 512, gpuLayers: 0, threads: 1, precision, onProgress, logger: listening };
  await using reranker = await Reranker.load(options);
  const { logits } = await reranker.score(request);
  return { logits, activities, warnings, choice: reranker.precision, info: reranker.info };
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
    const names = await readdir(converted());
    expect(names.sort()).toEqual([
      expect.stringMatching(/^[0-9a-f]{64}-f16\.gguf$/),
      expect.stringMatching(/^[0-9a-f]{64}-f16\.gguf\.checksum\.json$/),
    ]);
    expect(own.logits).toHaveLength(3);
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
    expect([source.matrixTypes, result.matrixTypes]).toEqual([["q8_0"], ["bf16"]]);
    expect(result.bytes - result.embeddingBytes).toBeGreaterThan(1.8 * (source.bytes - source.embeddingBytes));
  });

  it("is converted once when two loads want it at the same time", async () => {
    const both = await Promise.all([scored("f16"), scored("f16")]);
    expect(both.map(({ activities }) => activities.includes("converting")).filter(Boolean)).toHaveLength(1);
    expect(both[0]?.logits).toEqual(both[1]?.logits);
    expect((await readdir(converted())).filter((name) => name.endsWith(".gguf"))).toHaveLength(1);
  });

  it("is converted anew where an earlier process was killed in the middle of it", async () => {
    const { choice } = await scored("f16");
    await rm(choice.modelPath);
    for (const left of [unfinishedPath(choice.modelPath), `${unfinishedPath(choice.modelPath)}.partial`]) {
      await writeFile(left, "GGUF, and then nothing");
    }
    expect((await scored("f16")).activities).toContain("converting");
    const name = basename(choice.modelPath);
    expect((await readdir(converted())).sort()).toEqual([name, `${name}.checksum.json`]);
  });

  it("is converted anew where a byte of it has changed, and one line says so", async () => {
    const first = await scored("f16");
    const { modelPath } = first.choice;
    const bytes = await readFile(modelPath);
    const at = bytes.length - 1000;
    bytes[at] = (bytes[at] ?? 0) ^ 0x40;
    await writeFile(modelPath, bytes);
    const again = await scored("f16");
    expect(again.activities).toEqual(["hashing", "converting", "loading"]);
    expect(again.warnings).toEqual([
      expect.stringMatching(/f16\.gguf: sha256 is .*, expected .*; the weights are converted again$/),
    ]);
    expect(again.logits).toEqual(first.logits);
  });

  it("is converted anew where its record is missing, as when it was not finished", async () => {
    const { choice } = await scored("f16");
    await rm(recordPath(choice.modelPath));
    const { activities, warnings } = await scored("f16");
    expect(activities).toContain("converting");
    expect(warnings).toEqual([expect.stringContaining("there is no record of its checksum")]);
  });

  it("gives way to the file's own weights where it cannot be loaded, and is converted again at the next start", async () => {
    const own = await scored("file");
    const { choice } = await scored("f16");
    await rm(choice.modelPath);
    await produceRecorded(choice.modelPath, (path) => writeFile(path, "GGUF, and then nothing"));
    const without = await scored("f16");
    expect(without.logits).toEqual(own.logits);
    expect(without.choice).toMatchObject({ precision: "file", modelPath: files.modelPath });
    expect(without.warnings).toEqual([
      expect.stringMatching(/^the weights in f16 could not be loaded and were removed: .*f16\.gguf/),
    ]);
    expect(await readdir(converted())).toEqual([]);
    const next = await scored("f16");
    expect(next.activities).toContain("converting");
    expect(next.choice).toMatchObject({ precision: "f16" });
    expect(next.warnings).toEqual([]);
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

  it("times every candidate once, and remembers the times", async () => {
    const options = await engineOptions();
    const activities = new Set<LoadActivity>();
    const onProgress = (_: number, activity: LoadActivity) => activities.add(activity);
    const choose = () => choosePrecision(options, "auto", { onProgress, logger }, any);
    const first = await choose();
    expect(activities.has("timing")).toBe(true);
    const rates = first.tokensPerSecond ?? {};
    expect(Object.keys(rates)).toEqual(expect.arrayContaining(["file", "f16", "q8_0"]));
    expect(Object.values(rates).filter((rate) => !(rate > 0))).toEqual([]);
    const best = Math.max(...Object.values(rates));
    expect(rates[first.precision]).toBeGreaterThanOrEqual(best / 1.05);
    expect(first.reason).toMatch(/; tokens\/s of a part of the model: file \d+, f16 \d+/);
    expect((await stat(first.modelPath)).isFile()).toBe(true);
    expect(first.modelPath === files.modelPath).toBe(first.precision === "file");
    expect((await readdir(timings())).filter((name) => !name.endsWith(".json"))).toEqual([]);

    activities.clear();
    expect(await choose()).toEqual(first);
    expect(activities).not.toContain("timing");
  });

  it("remembers times alone: which precision follows is decided at each start", async () => {
    const options = await engineOptions();
    const choose = () => choosePrecision(options, "auto", silent, any);
    await choose();
    const [name = ""] = (await readdir(timings())).filter((file) => file.endsWith(".json"));
    const path = join(timings(), name);
    expect(Object.keys(JSON.parse(await readFile(path, "utf8")))).toEqual(["tokensPerSecond"]);
    // A record of version 0.1.0, which had no room for f16.
    const noted = { precision: "file", reason: "not enough memory for f16", tokensPerSecond: { file: 10, f16: 20, q8_0: 1 } };
    await writeFile(path, JSON.stringify(noted));
    expect(await choose()).toMatchObject({ precision: "f16", reason: expect.stringMatching(/^2\.00 x as fast/) });
    await writeFile(path, JSON.stringify({ ...noted, precision: "f16" }));
    const tooMuch = { ...options, documentCacheBytes: 2 ** 60 };
    const without = await choosePrecision(tooMuch, "auto", silent, any);
    expect(without).toMatchObject({ precision: "file", reason: expect.stringMatching(/^not enough memory now for f16/) });
    expect(await choose()).toMatchObject({ precision: "f16" });
  });

  it("removes what a start that was killed has left", async () => {
    await mkdir(converted(), { recursive: true });
    const left = [join(timings(), `probe-${randomUUID()}`), unfinishedPath(join(timings(), "probe"))];
    for (const folder of left) await mkdir(folder, { recursive: true });
    const partial = join(converted(), `${"0".repeat(64)}-f16.gguf.partial`);
    await writeFile(partial, "");
    const yesterday = new Date(Date.now() - 86_400_000);
    for (const path of [...left, partial]) await utimes(path, yesterday, yesterday);
    await scored("auto");
    expect([await readdir(timings()), await readdir(converted())]).toEqual([[], []]);
  });

  it("needs no cache folder for a small model, as where a user has no home", async () => {
    delete process.env.XDG_CACHE_HOME;
    const home = vi.spyOn(os, "homedir").mockImplementation(() => {
      throw new Error("uv_os_homedir returned ENOENT");
    });
    syncBuiltinESMExports();
    onTestFinished(() => {
      home.mockRestore();
      syncBuiltinESMExports();
    });
    const options = await engineOptions();
    for (const wanted of ["auto", "file"] as const) {
      expect(await choosePrecision(options, wanted, silent)).toMatchObject({
        precision: "file",
        reason: expect.stringMatching(/small|PRECISION=file/),
      });
    }
    expect(home).toHaveBeenCalled();
  });

  it("stays with the file and says why where the cache cannot be written", async () => {
    await writeFile(join(cache, "file"), "");
    process.env.XDG_CACHE_HOME = join(cache, "file");
    const choice = await choosePrecision(await engineOptions(), "auto", silent, any);
    expect(choice).toMatchObject({ precision: "file", modelPath: files.modelPath });
    expect(choice.reason).toMatch(/^no other could be tried: /);
  });
});
