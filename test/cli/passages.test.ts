/** `rerank` with passages, an instruction and a time limit, from flags and from lines of JSONL. */

import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rerankAll } from "../../src/cli/rerank-all.js";
import { Reranker } from "../../src/reranker.js";
import { plainOptions } from "../../src/wire/ranking-options.js";
import { runCommand } from "../support/command.js";
import { demoModel } from "../support/demo-service.js";
import { mixedDocuments, text } from "../support/texts.js";

const query = "how does a glacier melt?";
const planted = "A glacier melts from below.";
/** More passages than all pairs that a service lets wait. */
const long = Array.from({ length: 2200 }, (_, index) => (index === 2000 ? planted : `The ${text(12, index)}.`)).join(" ");
let model: string[];
let reranker: Reranker;

beforeAll(async () => {
  const files = await demoModel();
  model = ["--model", files.modelPath, "--head", files.headPath, "--n-gpu-layers", "0", "--n-threads", "1"];
  reranker = await Reranker.load({ ...files, gpuLayers: 0, threads: 1, maxQueuedPairs: 10_000 });
});
afterAll(() => reranker.close());

describe("rerank", () => {
  test("finds a sentence in a long file, and prints the passage and its place", async () => {
    const directory = await mkdtemp(join(tmpdir(), "jina-reranker-passages-"));
    const files = [join(directory, "long.txt"), join(directory, "short.txt")];
    await writeFile(files[0] ?? "", long);
    await writeFile(files[1] ?? "", "The history of Rome.");
    const flags = ["--passage-tokens", "24", "--passage-overlap", "0", "--max-passages", "5000"];
    const { code, stdout, stderr } = await runCommand(["rerank", ...model, "-q", query, ...flags, ...files]);
    expect([code, stderr]).toEqual([0, ""]);
    const { results } = JSON.parse(stdout);
    const start = long.indexOf(planted);
    expect(results[0]).toMatchObject({
      file: files[0],
      passage: { text: `${planted} `, start, end: start + planted.length + 1 },
    });
    expect(results[0]).not.toHaveProperty("truncated");
    expect(results[1]).toMatchObject({ file: files[1], passage: { text: "The history of Rome." } });
  });

  test("reads the instruction before each document", async () => {
    const input = "a glacier melts\nthe weather\n";
    const { stdout } = await runCommand(["rerank", ...model, "-q", query, "--instruction", "Prefer glaciers."], { input });
    const { results } = await reranker.rerank({
      query,
      documents: ["a glacier melts", "the weather"],
      instruction: "Prefer glaciers.",
    });
    expect(JSON.parse(stdout).results.map((result: { relevance_score: number }) => result.relevance_score)).toEqual(
      results.map(({ score }) => score),
    );
  });

  test("--jsonl takes passages, instruction and a time limit from each line", async () => {
    const lines = [
      { query, documents: [long, "x"], passages: { max_tokens: 20, overlap_tokens: 0, max: 5000 }, instruction: "Be exact." },
      { query, documents: ["a glacier"], timeout_ms: 60_000 },
    ];
    const input = lines.map((line) => JSON.stringify(line)).join("\n");
    const { code, stdout } = await runCommand(["rerank", ...model, "--jsonl"], { input });
    expect(code).toBe(0);
    const [first, second] = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(first.results[0]).toMatchObject({ index: 0, passage: { text: `${planted} ` } });
    const { scores } = await reranker.score({ query, documents: [`${planted} `], instruction: "Be exact." });
    expect(first.results[0].relevance_score).toBe(scores[0]);
    expect(second).toMatchObject({ results: [{ index: 0 }], unscored: [] });
  });
});

describe("any number of documents", () => {
  const documents = [...mixedDocuments(90, 5, 40, 3), long, ...mixedDocuments(30, 5, 40, 4)];

  test("have the scores and passages that one request gives them", async () => {
    const passages = { maxTokens: 100, max: 40 };
    const options = { ...plainOptions, scoring: { passages } };
    const { results, truncated, unscored, usage } = await rerankAll(reranker, { query, documents, options }, () => {});
    const whole = await reranker.rerank({ query, documents, passages, maxDocuments: 1000 });
    expect(results).toEqual(whole.results);
    expect([truncated, unscored, usage]).toEqual([1, [], whole.usage]);
  });

  test("are ranked as far as they have a score when the time is over", async () => {
    const many = mixedDocuments(20_000, 200, 400, 5);
    const options = { ...plainOptions, scoring: { timeoutMs: 500 } };
    let done = 0;
    const { results, unscored } = await rerankAll(reranker, { query, documents: many, options }, (all) => {
      done = all;
    });
    expect(unscored.length).toBeGreaterThan(0);
    expect(results.length + unscored.length).toBe(20_000);
    expect(done).toBeLessThan(20_000);
    expect(results.every(({ index, score }) => score > 0 && !unscored.includes(index))).toBe(true);
  });
});
