/**
 * Processes that share a folder of document states, of which one is killed while it writes, and a disk that is full. In processes
 * of their own: a killed one cleans nothing up, and a limit of files' lengths holds for a whole process.
 */

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Reranker } from "../../src/reranker.js";
import { runNative } from "../support/native-process.js";
import { type ModelFiles, randomModel, wideShape } from "../support/random-models.js";
import { filesIn, stateFiles } from "../support/store-folder.js";
import { mixedDocuments } from "../support/texts.js";
import { until } from "../support/until.js";

const query = "which city has a river?";
/** So long that reading their states is awaited on a busy machine too. */
const documents = mixedDocuments(40, 100, 200, 8);
const index = pathToFileURL(join(import.meta.dirname, "../../dist/index.js")).href;

let files: ModelFiles;
let folder: string;

beforeEach(async () => {
  files = await randomModel(wideShape);
  folder = await mkdtemp(join(tmpdir(), "jina-reranker-shared-store-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const options = () => ({ ...files, contextSize: 1024, gpuLayers: 0, threads: 1, scoreCacheMb: 1, documentCacheDir: folder });

/** A process that scores the documents from `start` on, one request each, and prints their logits. */
function scoring(start: number) {
  const code = `
    import { Reranker } from ${JSON.stringify(index)};
    const documents = ${JSON.stringify([...documents.slice(start), ...documents.slice(0, start)])};
    const reranker = await Reranker.load(${JSON.stringify(options())});
    const logits = {};
    for (const document of documents) {
      const { logits: [logit] } = await reranker.score({ query: ${JSON.stringify(query)}, documents: [document] });
      logits[document] = logit;
    }
    await reranker.close();
    console.log(JSON.stringify(logits));`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  const ended = new Promise<string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve(output));
  });
  return { child, ended };
}

test("two processes write into one folder, one is killed: no score is wrong, and nothing is left behind", async () => {
  const killed = scoring(0);
  const other = scoring(20);
  await until(async () => (await stateFiles(folder)).length > 8);
  killed.child.kill("SIGKILL");
  await killed.ended;
  const ofOther: Record<string, number> = JSON.parse(await other.ended);

  await using cold = await Reranker.load({ ...options(), documentCacheDir: undefined });
  const expected = await cold.score({ query, documents });
  expect(documents.map((document) => ofOther[document])).toEqual([...expected.logits]);
  await using after = await Reranker.load({ ...options(), scoreCacheMb: 0 });
  const answer = await after.score({ query: "another query", documents });
  const asCold = await cold.score({ query: "another query", documents });
  expect([...answer.logits]).toEqual([...asCold.logits]);
  expect(after.stats()).toMatchObject({ documentsRestored: documents.length, storeFailures: 0 });
  await after.close();
  expect(await filesIn(join(folder, "partial"))).toEqual([]);
  const scores = (await filesIn(folder)).filter((path) => path.endsWith(".scores"));
  await using merged = await Reranker.load(options());
  expect(scores.length).toBeGreaterThan(0);
  expect((await filesIn(folder)).filter((path) => path.endsWith(".scores"))).toHaveLength(1);
  expect([...(await merged.score({ query, documents })).logits]).toEqual([...expected.logits]);
  expect(merged.stats().pairsRepeated).toBe(documents.length);
});

test.runIf(process.platform === "linux")("a full disk: the scores are right, and the log says so once", async () => {
  const { output, code } = await runNative(
    files,
    `
    process.on("SIGXFSZ", () => {});
    const lines = [];
    native.setLogSink((level, line) => level === "warn" && lines.push(line));
    const cache = { ...options, documentCacheBytes: 64 * megabyte, contextSize: 1024 };
    const request = (query) => ({ query, documents: ${JSON.stringify(documents.slice(0, 8))} });
    const cold = await native.Engine.load(cache);
    const expected = (await cold.submit(request("a river")).result).logits;
    limit("fsize", 0.01);
    const engine = await native.Engine.load({ ...cache, documentStore: { directory: ${JSON.stringify(folder)}, maxBytes: megabyte * 100 } });
    await engine.submit(request("a stone")).result;
    const { logits } = await engine.submit(request("a river")).result;
    await engine.close();
    console.log(JSON.stringify({ same: logits.every((logit, i) => logit === expected[i]), lines, stats: engine.stats().documentsStored }));`,
  );
  expect(code, output).toBe(0);
  const { same, lines, stats } = JSON.parse(output);
  expect([same, stats]).toEqual([true, 0]);
  expect(lines).toEqual([expect.stringMatching(/cannot write into .*: File too large/)]);
  expect(await stateFiles(folder)).toEqual([]);
  expect(await filesIn(join(folder, "partial"))).toEqual([]);
});
