/** What the built command prints and how it ends, each call in a process of its own. `npm run build` comes first. */

import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { runCommand, startCommand } from "../support/command.js";
import { demoModel } from "../support/demo-service.js";

let model: string[];
beforeAll(async () => {
  const { modelPath, headPath } = await demoModel();
  model = ["--model", modelPath, "--head", headPath, "--n-gpu-layers", "0", "--n-threads", "1"];
});

const lines = "The weather today is sunny.\n\nMachine learning learns from data.\r\nDeep learning uses layers.\n";

describe("rerank", () => {
  test("ranks the lines of stdin, empty ones left out, as JSON when stdout is no terminal", async () => {
    const { code, stdout, stderr } = await runCommand(["rerank", ...model, "-q", "machine learning"], { input: lines });
    expect([code, stderr]).toEqual([0, ""]);
    const answer = JSON.parse(stdout);
    expect(answer).toMatchObject({ query: "machine learning", total_documents: 3, returned_documents: 3, model: "lexical-demo" });
    expect(answer.results[0]).toEqual({
      index: 1,
      relevance_score: expect.any(Number),
      document: "Machine learning learns from data.",
    });
  });

  test("ranks files, each one document, and names them", async () => {
    const directory = await mkdtemp(join(tmpdir(), "jina-reranker-files-"));
    const files = [join(directory, "weather.txt"), join(directory, "learning.txt")];
    await writeFile(files[0] ?? "", "Sunny and warm.\nRain later.\n");
    await writeFile(files[1] ?? "", "Machine\nlearning.\n");
    const { code, stdout } = await runCommand(["rerank", ...model, "-q", "machine learning", "--json", "--top-k", "1", ...files]);
    expect(code).toBe(0);
    const { results } = JSON.parse(stdout);
    expect(results).toMatchObject([{ index: 1, file: files[1], document: "Machine\nlearning.\n" }]);
  });

  test("more documents than a request may have are handed over in pieces, with the same scores", async () => {
    const many = Array.from({ length: 250 }, (_, index) => `machine number ${index} is learning`);
    const input = `${many.join("\n")}\n`;
    const { code, stdout } = await runCommand(["rerank", ...model, "-q", "machine learning 17"], { input });
    expect(code).toBe(0);
    const { results } = JSON.parse(stdout);
    expect(results).toHaveLength(250);
    const alone = await runCommand(["rerank", ...model, "-q", "machine learning 17"], { input: `${many[17]}\n` });
    const score = results.find(({ index }: { index: number }) => index === 17).relevance_score;
    expect(JSON.parse(alone.stdout).results[0].relevance_score).toBe(score);
  });

  test("--jsonl answers line by line in order; a bad line says its number, and the end is 1", async () => {
    const requests = [
      '{"query":"cats","documents":["a cat","a dog"],"return_documents":false}',
      "not JSON",
      '{"query":"cats"}',
      '{"query":"dogs","documents":["a cat","a dog"],"top_k":1}',
    ];
    const { code, stdout } = await runCommand(["rerank", ...model, "--jsonl"], { input: requests.join("\n") });
    expect(code).toBe(1);
    const answers = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(answers).toMatchObject([
      { query: "cats", results: [{ index: 0 }, { index: 1 }] },
      { line: 2, error: { code: "invalid_json", message: expect.stringContaining("line 2") } },
      { line: 3, error: { code: "invalid_request", message: expect.stringContaining("documents: expected an array") } },
      { query: "dogs", results: [{ index: 1, document: "a dog" }] },
    ]);
    const clean = await runCommand(["rerank", ...model, "--jsonl"], { input: `${requests[0]}\n\n${requests[3]}\n` });
    expect([clean.code, clean.stdout.trimEnd().split("\n")]).toEqual([
      0,
      [answers[0], answers[3]].map((answer) => JSON.stringify(answer)),
    ]);
  });

  test("a file that cannot be read, no documents, or no model ends with 1 and one line", async () => {
    for (const args of [
      [...model, "-q", "a", "no-such-file.txt"],
      [...model, "-q", "a"],
    ]) {
      const { code, stdout, stderr } = await runCommand(["rerank", ...args]);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(
        /^jina-reranker: (no-such-file\.txt cannot be read: .*|documents: expected at least one, got none)\n$/,
      );
    }
    const variables = { HF_HUB_OFFLINE: "1", HF_HOME: await mkdtemp(join(tmpdir(), "jina-reranker-no-hub-")) };
    const { code, stderr } = await runCommand(["rerank", "-q", "a"], { input: "a\n", variables });
    expect(code).toBe(1);
    expect(stderr).toContain("--demo");
  });
});

describe("info", () => {
  test("tells versions and devices without a model, and a model's facts with one", async () => {
    const plain = JSON.parse((await runCommand(["info", "--json"])).stdout);
    expect(plain.versions).toMatchObject({ addon: expect.stringMatching(/^\d+\.\d+/), llamaCpp: expect.any(String) });
    expect(plain.devices).toContainEqual(expect.objectContaining({ name: "CPU", type: "cpu" }));
    expect(plain).not.toHaveProperty("model");
    const full = JSON.parse((await runCommand(["info", "--json", ...model])).stdout);
    expect(full.model).toMatchObject({ architecture: "qwen2vl", layers: 3, embeddingLength: 256, contextSize: 8192 });
    expect(full.model).toMatchObject({ precision: "file", precisionReason: "the model is small" });
    const { code, stdout } = await runCommand(["info", ...model]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^embeddingLength +256$/m);
  });
});

describe("demo", () => {
  test("--once prints the machine-learning document first, with the documented shape, and ends with 0", async () => {
    const { code, stdout, stderr } = await runCommand(["demo", "--once", "--host", "127.0.0.1", "--port", "0"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("not trained");
    expect(stdout).toMatch(/^1 +0\.\d{4} +Machine learning is a subset/m);
    expect(JSON.parse(stdout.slice(stdout.lastIndexOf("\n{\n")))).toMatchObject({
      results: [{ index: 0 }, { index: expect.any(Number) }],
      total_documents: 3,
      returned_documents: 2,
    });
  });

  test("stays up, says where, and ends with 0 on Ctrl-C", async () => {
    const command = startCommand(["demo", "--host", "127.0.0.1", "--port", "0"]);
    const line = await command.line((text) => text.startsWith("Playground: "));
    await command.line((text) => text.includes("until Ctrl-C"));
    const port = /http:\/\/localhost:(\d+)\//.exec(line)?.[1];
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    command.child.kill("SIGINT");
    expect((await command.ended).code).toBe(0);
  });
});

describe("usage", () => {
  test.each([
    [["serve", "--demo", "--port", "http"], {}, '--port: expected a whole number from 0 to 65535, got "http"'],
    [["serve", "--demo"], { CTX_SIZE: "lots" }, 'CTX_SIZE: expected a whole number from 16 to 1048576, got "lots"'],
    [["info"], { REPRODUCIBLE: "no" }, 'REPRODUCIBLE: expected one of auto, exact, fast, got "no"'],
    [["rerank", "--demo"], {}, "--query: expected the text to rank for, got nothing"],
    [["rerank", "--demo", "--jsonl", "-q", "a"], {}, "--query: not with --jsonl"],
    [["rerank", "--demo", "-q", "a", "--top-k", "-1"], {}, '--top-k: expected a whole number of at least 0, got "-1"'],
    [["serve", "--nonsense"], {}, "unknown option '--nonsense'"],
    [["nonsense"], {}, "unknown command 'nonsense'"],
  ])("%j with %j ends with 2 and one line: %s", async (args, variables, message) => {
    const { code, stdout, stderr } = await runCommand(args, { variables });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  test("--help and --version end with 0", async () => {
    const help = await runCommand(["serve", "--help"]);
    expect(help.code).toBe(0);
    expect(help.stdout.replace(/\s+/g, " ")).toContain(
      "--ctx-size <number> tokens a (query, document) pair may have (env CTX_SIZE, default 8192)",
    );
    expect(await runCommand(["--version"])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });
});
