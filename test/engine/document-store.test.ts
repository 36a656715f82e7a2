/** States and scores on disk: after a restart a score is the cold one, bit for bit, and only the query is computed for it. */

import { chmod, mkdir, mkdtemp, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { native } from "../../src/native/index.js";
import { Reranker } from "../../src/reranker.js";
import type { LoadOptions, ScoreResponse } from "../../src/types.js";
import { asNobody } from "../support/as-nobody.js";
import { imageModel, structuredPng } from "../support/image-model.js";
import { type ModelFiles, randomModel, wideShape } from "../support/random-models.js";
import { bytesOf, filesIn, stateFiles } from "../support/store-folder.js";
import { mixedDocuments, seeded, text } from "../support/texts.js";
import { until } from "../support/until.js";

const query = "which city has a river?";
const otherQuery = "how do machines learn to rank documents?";
/** So long that reading a state is awaited on a busy machine too: as long as computing it is expected to take. */
const documents = mixedDocuments(12, 100, 250, 8);
let files: ModelFiles;
let expected: ScoreResponse;
let folder: string;
let log: string[];

beforeAll(async () => {
  files = await randomModel(wideShape);
  await using cold = await load({ documentCacheMb: 0, documentCacheDir: undefined });
  expected = await cold.score({ query, documents });
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "jina-reranker-store-"));
  log = [];
  native.setLogSink((level, line) => {
    if (level === "warn" || level === "error") log.push(line);
  });
});
afterEach(async () => {
  native.setLogSink(undefined);
  await rm(folder, { recursive: true, force: true });
});

async function load(options: Partial<LoadOptions> = {}): Promise<Reranker> {
  const common = { contextSize: 2048, gpuLayers: 0, threads: 1, scoreCacheMb: 0, documentCacheDir: folder };
  return Reranker.load({ ...files, ...common, ...options });
}

function bits({ logits }: ScoreResponse): number[] {
  return Array.from(new Uint32Array(logits.buffer, logits.byteOffset, logits.length));
}

/** Has the folder filled by an engine of its own. */
async function fill(options: Partial<LoadOptions> = {}): Promise<string[]> {
  await using reranker = await load(options);
  await reranker.score({ query: otherQuery, documents });
  await reranker.close();
  return stateFiles(folder);
}

/** What an engine that was started anew says. */
async function afterRestart(options: Partial<LoadOptions> = {}) {
  await using reranker = await load(options);
  const answer = await reranker.score({ query, documents });
  await reranker.close();
  return { answer, stats: reranker.stats() };
}

/** Tokens of the query and what follows it, which no state has; the last page of a document is kept in part. */
function queryTokens({ usage }: ScoreResponse, { timings }: ScoreResponse): number {
  return usage.promptTokens - timings.reusedTokens;
}

describe.each(["f32", "q4_k_m"] as const)("with %s weights", (precision) => {
  it("after a restart only the queries are computed, and the scores are the cold ones, bit for bit", async () => {
    const precise = await randomModel(wideShape, precision);
    await using cold = await load({ ...precise, documentCacheDir: undefined });
    const first = await cold.score({ query, documents });
    expect(await fill(precise)).toHaveLength(documents.length);
    const { answer, stats } = await afterRestart(precise);
    expect(bits(answer)).toEqual(bits(first));
    expect(stats.documentsRestored).toBe(documents.length);
    expect(answer.timings.computedTokens).toBe(queryTokens(answer, answer));
    // The query, and the score token.
    expect(answer.timings.computedTokens).toBeLessThan(documents.length * 12);
    expect(await filesIn(join(folder, "partial"))).toEqual([]);
  });
});

it("states are half as large with q8_0 pages, and belong to this type alone", async () => {
  const half = await bytesOf(await fill({ kvType: "q8_0" }));
  const all = await bytesOf(await fill());
  expect(half).toBeLessThan(0.4 * all);
  await using cold = await load({ kvType: "q8_0", documentCacheDir: undefined });
  const first = await cold.score({ query, documents });
  const { answer, stats } = await afterRestart({ kvType: "q8_0" });
  expect(stats.documentsRestored).toBe(documents.length);
  expect(bits(answer)).toEqual(bits(first));
});

it("a memory that holds few states still gives the scores", async () => {
  await fill();
  const { answer } = await afterRestart({ documentCacheMb: 1 });
  expect(bits(answer)).toEqual(bits(expected));
  expect(answer.timings.reusedTokens).toBeGreaterThan(0);
});

it("an image's state comes back without the vision tower", async () => {
  const images = await imageModel();
  const page = [{ image: structuredPng(28 * 12, 28 * 12, 1) }];
  const options = { ...images, scoreCacheMb: 0, documentCacheDir: folder, gpuLayers: 0, threads: 1 };
  await using first = await Reranker.load(options);
  await first.score({ query: otherQuery, documents: page });
  const cold = await first.score({ query, documents: page });
  await first.close();
  await using second = await Reranker.load(options);
  const warm = await second.score({ query, documents: page });
  expect(bits(warm)).toEqual(bits(cold));
  expect(warm.timings.encodedImages).toBe(0);
  expect(second.stats()).toMatchObject({ imagesEncoded: 0, documentsRestored: 1 });
});

describe("what is wrong in the folder", () => {
  it("damaged bytes in 100 random places: the scores are right, the files are removed, and the log says so once", async () => {
    const paths = await fill();
    const random = seeded(3);
    for (let place = 0; place < 100; place += 1) {
      const path = paths[place % paths.length] as string;
      const bytes = await readFile(path);
      const at = Math.floor(random() * bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << Math.floor(random() * 8));
      await writeFile(path, bytes);
    }
    const { answer, stats } = await afterRestart();
    expect(bits(answer)).toEqual(bits(expected));
    expect(stats).toMatchObject({ documentsRestored: 0, storeFailures: paths.length, documentsStored: paths.length });
    expect(log).toEqual([expect.stringMatching(/damaged/)]);
    const again = await afterRestart();
    expect(again.stats).toMatchObject({ documentsRestored: paths.length, storeFailures: 0 });
  });

  it("a single flipped bit in any part of a file is seen", async () => {
    const document = text(200, 1);
    await using cold = await load({ documentCacheDir: undefined });
    const first = bits(await cold.score({ query, documents: [document] }));
    await using writer = await load();
    await writer.score({ query: otherQuery, documents: [document] });
    await writer.close();
    const [path] = await stateFiles(folder);
    const whole = await readFile(path as string);
    const parts = [0, 8, 16, 24, 100, Math.floor(whole.length / 2), whole.length - 9, whole.length - 1];
    for (const at of parts) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] as number) ^ 1;
      await writeFile(path as string, bytes);
      await using reader = await load();
      expect(bits(await reader.score({ query, documents: [document] }))).toEqual(first);
      await until(() => reader.stats().storeFailures > 0);
      expect(reader.stats(), `byte ${at}`).toMatchObject({ documentsRestored: 0, storeFailures: 1 });
    }
  });

  it("files that were cut, emptied, exchanged or are folders are not believed", async () => {
    const paths = await fill();
    const [cut, empty, exchanged, other, directory] = paths as [string, string, string, string, string];
    await truncate(cut, (await stat(cut)).size - 1);
    await truncate(empty, 0);
    await writeFile(exchanged, await readFile(other));
    await rm(directory);
    await mkdir(directory);
    const { answer, stats } = await afterRestart();
    expect(bits(answer)).toEqual(bits(expected));
    expect(stats.documentsRestored).toBe(paths.length - 4);
  });

  it("states of another model are left alone", async () => {
    await fill(await randomModel({ ...wideShape, seed: 12 }));
    const before = await stateFiles(folder);
    const { answer, stats } = await afterRestart();
    expect(bits(answer)).toEqual(bits(expected));
    expect(stats).toMatchObject({ documentsRestored: 0, storeFailures: 0 });
    expect(await stateFiles(folder)).toEqual(expect.arrayContaining(before));
  });

  it("files of others in the folder are not touched", async () => {
    const note = join(folder, "partial", "note.txt");
    await mkdir(join(folder, "partial"));
    await writeFile(note, "mine");
    await writeFile(join(folder, "thesis.state"), "mine");
    await fill({ documentCacheDiskMb: 1 });
    expect(await filesIn(folder)).toEqual(expect.arrayContaining([note, join(folder, "thesis.state")]));
  });
});

describe("a folder that cannot be used", () => {
  it("read-only: states are read, nothing is written, and the log says so once", async () => {
    const known = documents.slice(0, 4);
    await using writer = await load();
    await writer.score({ query: otherQuery, documents: known });
    await writer.close();
    await using reader = await load();
    await asNobody(folder, async () => {
      for (const path of await filesIn(folder)) await chmod(path, 0o400);
      for (const path of new Set((await filesIn(folder)).flatMap((file) => [join(file, ".."), join(file, "../..")]))) {
        await chmod(path, 0o500);
      }
      await chmod(join(folder, "partial"), 0o500);
      const answer = await reader.score({ query, documents });
      await reader.close();
      expect(bits(answer)).toEqual(bits(expected));
      expect(reader.stats()).toMatchObject({ documentsRestored: 4, documentsStored: 0 });
      expect(log).toEqual([expect.stringMatching(/cannot write .*Permission denied/)]);
    });
  });

  it("that cannot be created", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    const { answer } = await afterRestart({ documentCacheDir: join(file, "store") });
    expect(bits(answer)).toEqual(bits(expected));
    expect(log).toEqual([expect.stringMatching(/cannot write/)]);
  });
});

it("what was used least recently goes first, whoever used it", async () => {
  const paths = await fill();
  const old = new Date(Date.now() - 3_600_000);
  for (const path of paths) await utimes(path, old, old);
  const kept = documents.slice(0, 3);
  await using reader = await load();
  await reader.score({ query, documents: kept });
  await reader.close();
  const total = await bytesOf(paths);
  const limit = Math.ceil(total / 2 ** 20);
  await using writer = await load({ documentCacheDiskMb: limit });
  await writer.score({ query, documents: mixedDocuments(8, 100, 250, 9) });
  await writer.close();
  expect(await bytesOf(await filesIn(folder))).toBeLessThanOrEqual(limit * 2 ** 20);
  await using after = await load();
  await after.score({ query, documents: kept });
  expect(after.stats().documentsRestored).toBe(3);
});

describe("documents that are kept before a query comes", () => {
  it("are on disk when keep() answers, and cost the first query after a restart its own tokens", async () => {
    await using first = await load();
    const kept = await first.keep({ documents: [...documents, "short"] });
    expect(kept).toMatchObject({ documents: 13, storedDocuments: 13, truncated: 0 });
    expect(await stateFiles(folder)).toHaveLength(documents.length);
    await first.close();
    const { answer, stats } = await afterRestart();
    expect(bits(answer)).toEqual(bits(expected));
    expect(stats.documentsRestored).toBe(documents.length);
    expect(answer.timings.computedTokens).toBeLessThan(documents.length * 12);
  });

  it("that are on disk cost nothing, those whose file is gone are written from memory", async () => {
    await using reranker = await load();
    await reranker.keep({ documents });
    const [gone] = await stateFiles(folder);
    await rm(gone as string);
    const again = await reranker.keep({ documents });
    expect(again.timings.computedTokens).toBe(0);
    expect(again.timings.reusedTokens).toBe(again.usage.promptTokens);
    expect(again.storedDocuments).toBe(documents.length);
    expect(await stateFiles(folder)).toHaveLength(documents.length);
    await reranker.close();
    await using other = await load();
    const after = await other.keep({ documents });
    expect([after.timings.computedTokens, after.storedDocuments]).toEqual([0, documents.length]);
    expect(other.stats()).toMatchObject({ documentsRestored: 0, documentsStored: 0 });
  });

  it("with an instruction are others than without", async () => {
    await using reranker = await load();
    await reranker.keep({ documents, instruction: "Prefer recent documents." });
    const answer = await reranker.score({ query, documents });
    expect(bits(answer)).toEqual(bits(expected));
    expect(answer.timings.reusedTokens).toBe(0);
    const instructed = await reranker.score({ query, documents, instruction: "Prefer recent documents." });
    expect(instructed.timings.computedTokens).toBeLessThan(documents.length * 12);
  });

  it("that cannot be written are counted as not stored", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    await using reranker = await load({ documentCacheDir: join(file, "store") });
    expect(await reranker.keep({ documents })).toMatchObject({ documents: 12, storedDocuments: 0 });
    expect(bits(await reranker.score({ query, documents }))).toEqual(bits(expected));
  });

  it("a cancelled keep leaves the engine as it was", async () => {
    await using reranker = await load();
    await expect(reranker.keep({ documents, signal: AbortSignal.timeout(1) })).rejects.toThrow();
    expect(bits(await reranker.score({ query, documents }))).toEqual(bits(expected));
    expect(reranker.stats().pairsQueued).toBe(0);
  });
});

describe("scores", () => {
  it("the same question after a restart computes nothing", async () => {
    await using first = await load({ scoreCacheMb: 1 });
    const answer = await first.score({ query, documents });
    await first.close();
    await using second = await load({ scoreCacheMb: 1 });
    const again = await second.score({ query, documents });
    expect(bits(again)).toEqual(bits(answer));
    expect(again.timings.computedTokens).toBe(0);
    expect(second.stats()).toMatchObject({ pairsRepeated: documents.length, documentsRestored: 0 });
  });

  it("damaged scores are not believed, those before them are", async () => {
    await using first = await load({ scoreCacheMb: 1 });
    await first.score({ query, documents });
    await first.close();
    const [path] = (await filesIn(folder)).filter((file) => file.endsWith(".scores"));
    const bytes = await readFile(path as string);
    const at = Math.floor(bytes.length / 2);
    bytes[at] = (bytes[at] as number) ^ 1;
    await writeFile(path as string, bytes);
    await using second = await load({ scoreCacheMb: 1 });
    const again = await second.score({ query, documents });
    expect(bits(again)).toEqual(bits(expected));
    const { pairsRepeated } = second.stats();
    expect(pairsRepeated).toBeGreaterThan(0);
    expect(pairsRepeated).toBeLessThan(documents.length);
  });

  it("a large cache takes the memory of the scores that are there", async () => {
    await using first = await load({ scoreCacheMb: 1 });
    await first.score({ query, documents });
    await first.close();
    await using second = await load({ scoreCacheMb: 16_777_216 });
    await second.score({ query, documents });
    expect(second.stats().pairsRepeated).toBe(documents.length);
  });

  it("the files of many starts become one", async () => {
    for (let start = 0; start < 3; start += 1) {
      await using reranker = await load({ scoreCacheMb: 1 });
      await reranker.score({ query: `${query} ${start}`, documents: documents.slice(0, 2) });
    }
    await using last = await load({ scoreCacheMb: 1 });
    expect((await filesIn(folder)).filter((file) => file.endsWith(".scores"))).toHaveLength(1);
    await last.score({ query: `${query} 0`, documents: documents.slice(0, 2) });
    expect(last.stats().pairsRepeated).toBe(2);
  });
});
