/** `warm`: documents computed by a command of their own, which may be killed and goes on, for a service that starts later. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Reranker } from "../../src/reranker.js";
import type { RerankRequest } from "../../src/types.js";
import { runCommand, startCommand } from "../support/command.js";
import { demoModel } from "../support/demo-service.js";
import { stateFiles } from "../support/store-folder.js";
import { text } from "../support/texts.js";
import { until } from "../support/until.js";

const documents = Array.from({ length: 90 }, (_, index) => text(60, index));
let folder: string;
let store: string;
let model: string[];

beforeEach(async () => {
  const { modelPath, headPath } = await demoModel();
  folder = await mkdtemp(join(tmpdir(), "jina-reranker-warm-"));
  store = join(folder, "store");
  model = ["--model", modelPath, "--head", headPath, "--n-gpu-layers", "0", "--n-threads", "1", "--document-cache-dir", store];
});
afterEach(() => rm(folder, { recursive: true }));

async function corpus(lines: readonly unknown[]): Promise<string> {
  const path = join(folder, "corpus.jsonl");
  await writeFile(path, lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join(""));
  return path;
}

const warm = (...more: string[]) => runCommand(["warm", ...model, ...more]);

/** What a query costs an engine that is started now. */
async function firstQuery(asked: Omit<RerankRequest, "query">) {
  const files = await demoModel();
  await using reranker = await Reranker.load({ ...files, gpuLayers: 0, threads: 1, documentCacheDir: store, scoreCacheMb: 0 });
  const { timings } = await reranker.rerank({ query: "weather", ...asked });
  return { restored: reranker.stats().documentsRestored, ...timings };
}

describe("warm --jsonl", () => {
  test("takes documents in every form, and the first query of a later process computes its own tokens alone", async () => {
    // Long, so that an engine awaits their states on a busy machine too: as long as computing them is expected to take.
    const long = Array.from({ length: 12 }, (_, index) => text(600, index));
    const lines = [JSON.stringify(long[0]), { text: long[1] }, { documents: long.slice(2) }];
    const { code, stdout, stderr } = await warm("--jsonl", await corpus(lines));
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject({ documents: 12, failed: 0, truncated: 0, stored_documents: 12, reused_tokens: 0 });
    const { restored, computedTokens } = await firstQuery({ documents: long });
    expect(restored).toBe(12);
    expect(computedTokens).toBeLessThan(12 * 4);
  });

  test("a run that was killed goes on: what is stored costs nothing", async () => {
    const path = await corpus(documents.map((document) => ({ text: document })));
    const running = startCommand(["warm", ...model, "--jsonl", path]);
    await until(async () => (await stateFiles(folder)).length > 10);
    running.child.kill("SIGKILL");
    await running.ended;
    const left = (await stateFiles(folder)).length;
    const { code, stdout } = await warm("--jsonl", path);
    expect(code).toBe(0);
    const { documents: count, stored_documents, tokens, computed_tokens, reused_tokens } = JSON.parse(stdout);
    expect([count, stored_documents]).toEqual([90, 90]);
    expect(reused_tokens).toBeGreaterThanOrEqual((left / 90) * tokens * 0.8);
    expect(computed_tokens + reused_tokens).toBe(tokens);
    expect(await stateFiles(folder)).toHaveLength(90);
  });

  test("lines that are requests have their own instruction and passages, which count before those of the command", async () => {
    const long = text(400, 77);
    const passages = { maxTokens: 100, overlapTokens: 10 };
    const lines = [
      { documents: documents.slice(0, 2), query: "weather", instruction: "Prefer rain." },
      { documents: [long], passages: { max_tokens: 100, overlap_tokens: 10 } },
      documents[2],
    ];
    const path = await corpus(lines.map((line) => JSON.stringify(line)));
    const { code, stdout } = await warm("--jsonl", "--instruction", "Prefer snow.", path);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { documents: 4, failed: 0 }]);
    for (const known of [
      { documents: documents.slice(0, 2), instruction: "Prefer rain." },
      { documents: [long], passages, instruction: "Prefer snow." },
      { documents: [documents[2] ?? ""], instruction: "Prefer snow." },
    ]) {
      const { computedTokens, reusedTokens } = await firstQuery(known);
      expect(computedTokens).toBeLessThan(reusedTokens / 5);
    }
  });

  test("a document of more passages than a service would let wait is kept", async () => {
    const path = await corpus([{ text: text(2200, 1) }]);
    const { code, stdout } = await warm("--jsonl", "--passage-tokens", "1", "--max-passages", "20000", path);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { documents: 1, failed: 0, truncated: 0 }]);
  });

  test("wrong lines are named and counted, the others are kept", async () => {
    const path = await corpus([{ text: documents[0] }, "not JSON", { documents: [] }, 7, { text: documents[1] }]);
    const { code, stdout, stderr } = await warm("--jsonl", path);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ documents: 2, failed: 3, stored_documents: 2 });
    expect(stderr.match(/^jina-reranker: line \d+: /gm)).toEqual([2, 3, 4].map((line) => `jina-reranker: line ${line}: `));
  });

  test("shards share the lines, and with an instruction documents are others", async () => {
    const path = await corpus(documents.slice(0, 10).map((document) => ({ text: document })));
    for (const [shard, count] of [
      ["1/3", 4],
      ["2/3", 3],
      ["3/3", 3],
    ] as const) {
      expect(JSON.parse((await warm("--jsonl", "--shard", shard, path)).stdout)).toMatchObject({ documents: count });
    }
    expect(await stateFiles(folder)).toHaveLength(10);
    const instructed = await warm("--jsonl", "--instruction", "Prefer rain.", path);
    expect(JSON.parse(instructed.stdout)).toMatchObject({ documents: 10, reused_tokens: 0 });
    expect(await stateFiles(folder)).toHaveLength(20);
  });
});

test("files are documents, and lines of stdin are", async () => {
  const paths = await Promise.all(
    documents.slice(0, 3).map(async (document, index) => {
      const path = join(folder, `${index}.txt`);
      await writeFile(path, document);
      return path;
    }),
  );
  const files = await warm(...paths, join(folder, "missing.txt"));
  expect(files.code).toBe(1);
  expect(JSON.parse(files.stdout)).toMatchObject({ documents: 3, failed: 1, stored_documents: 3 });
  expect(files.stderr).toMatch(/missing\.txt/);
  const lines = await runCommand(["warm", ...model], { input: `${documents.slice(0, 5).join("\n")}\n\n` });
  expect(JSON.parse(lines.stdout)).toMatchObject({ documents: 5, failed: 0 });
});

test.each([
  [["--shard", "1/2", "a.txt"], "--shard: only for lines"],
  [["--image-folder", "."], "--image-folder: only with --jsonl"],
])("refuses %j", async (flags, message) => {
  const { code, stderr } = await warm(...flags);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});

test("needs a folder", async () => {
  const { code, stderr } = await runCommand(["warm", "--demo", "--jsonl"]);
  expect([code, stderr]).toEqual([2, expect.stringContaining("--document-cache-dir: expected a folder")]);
});
