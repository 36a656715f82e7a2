/**
 * Bulk files: `rerank --jsonl` in shards, killed in the middle and continued. Each run is a process of its own, since the tests
 * look at what a killed one leaves behind. BULK_LINES sets the length of the file (10000 was tried by hand).
 */

import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { rerankJsonl } from "../../src/cli/jsonl.js";
import { Reranker } from "../../src/reranker.js";
import { type Ended, runCommand, startCommand } from "../support/command.js";
import { demoModel } from "../support/demo-service.js";
import { until } from "../support/until.js";

const lineCount = Number(process.env.BULK_LINES ?? "600");
const shards = [1, 2, 3, 4];
const run = promisify(execFile);

let directory: string;
let input: string;
let model: string[];
/** The answers that one run gives to the whole file. */
let whole: string;

const words = ["machine", "learning", "weather", "sunny", "bread", "rome", "history", "network", "cat", "dog", "line\u2028end"];
const word = (index: number) => words[index % words.length] ?? "";

/** Lines of requests; every 50th is wrong in some way. */
function inputLine(number: number): string {
  const bad = ["", "not JSON", '{"query":"cats"}', '{"query":" ","documents":["a"]}', '{"query":"cats","documents":[]}'];
  if (number % 50 === 0) return bad[(number / 50) % bad.length] ?? "";
  return JSON.stringify({
    query: `${word(number)} ${word(number * 3)}`,
    documents: [`${word(number * 5)} number ${number}`, `${word(number)} and ${word(number * 7)}`],
    return_documents: number % 2 === 0,
  });
}

beforeAll(async () => {
  const { modelPath, headPath } = await demoModel();
  model = ["--model", modelPath, "--head", headPath, "--n-gpu-layers", "0", "--n-threads", "1"];
  directory = await mkdtemp(join(tmpdir(), "jina-reranker-bulk-"));
  input = join(directory, "requests.jsonl");
  await writeFile(input, Array.from({ length: lineCount }, (_, index) => `${inputLine(index + 1)}\n`).join(""));
  const output = join(directory, "whole.jsonl");
  expect((await bulk(output)).code).toBe(1);
  whole = await readFile(output, "utf8");
});

function bulkArguments(output: string, ...more: string[]): string[] {
  return ["rerank", ...model, "--jsonl", "--output", output, ...more, input];
}

async function bulk(output: string, ...more: string[]): Promise<Ended> {
  return await runCommand(bulkArguments(output, ...more));
}

/** Ends a run by a signal once it has written at least so many lines, and gives its lines. */
async function interrupted(output: string, shard: string, signal: NodeJS.Signals): Promise<Ended> {
  const { child, ended } = startCommand(bulkArguments(output, "--shard", shard));
  await until(() => existsSync(output) && completeLines(output).length >= 10);
  child.kill(signal);
  return await ended;
}

function completeLines(path: string): string[] {
  return readFileSync(path, "utf8").split("\n").slice(0, -1);
}

/** Does what docs/bulk.md says. */
async function merged(outputs: readonly string[]): Promise<string> {
  const { stdout } = await run("paste", ["-d", "\\n", ...outputs], { maxBuffer: 2 ** 30 });
  return stdout.replace(/^\n/gm, "");
}

describe("rerank --jsonl in shards", () => {
  test("answers every line exactly once, bad ones with their error and number", () => {
    const answers = whole
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(answers.map(({ line }) => line)).toEqual(Array.from({ length: lineCount }, (_, index) => index + 1));
    expect(answers[48]).toMatchObject({ query: `${word(49)} ${word(147)}`, total_documents: 2 });
    const errors = answers.filter(({ error }) => error !== undefined);
    expect(errors).toHaveLength(Math.floor(lineCount / 50));
    expect(errors.slice(0, 5).map(({ line, error }) => [line, error.code, error.message.split(":")[0]])).toEqual([
      [50, "invalid_json", "line 50"],
      [100, "invalid_request", "line 100"],
      [150, "empty_query", "line 150"],
      [200, "empty_documents", "line 200"],
      [250, "invalid_request", "line 250"],
    ]);
  });

  test("a reader that leaves what is told of bad lines does not end the run", async () => {
    const output = join(directory, "unheard.jsonl");
    const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
    const command = [process.execPath, main, ...bulkArguments(output)].map((word) => `'${word}'`).join(" ");
    await run("sh", ["-c", `${command} 2>&1 | head -n 1`]);
    expect(await readFile(output, "utf8")).toBe(whole);
  });

  test("the union of 4 outputs is the whole file's, one shard killed and continued, another ended by SIGTERM", async () => {
    const outputs = shards.map((shard) => join(directory, `answers-${shard}.jsonl`));
    const [first = "", second = "", third = "", fourth = ""] = outputs;
    await bulk(first, "--shard", "1/4");

    expect(await interrupted(second, "2/4", "SIGKILL")).toMatchObject({ code: null, signal: "SIGKILL" });
    const left = completeLines(second);
    expect(left.length).toBeGreaterThanOrEqual(10);
    expect(left.length).toBeLessThan(lineCount / 4);

    const stopped = await interrupted(third, "3/4", "SIGTERM");
    expect(stopped).toMatchObject({ code: 143, signal: null });
    expect(stopped.stderr).toContain("goes on from here");
    const finished = completeLines(third);
    expect(readFileSync(third, "utf8")).toBe(finished.map((line) => `${line}\n`).join(""));
    expect(finished.length).toBeLessThan(lineCount / 4);

    const job = { JOB_COMPLETION_INDEX: "3" };
    await runCommand(bulkArguments(fourth, "--shard", "job/4"), { variables: job });

    for (const [output, shard, lines] of [
      [second, "2/4", left],
      [third, "3/4", finished],
    ] as const) {
      const { stderr } = await bulk(output, "--shard", shard);
      expect(stderr).toContain(`goes on behind ${lines.length} answers`);
      expect(completeLines(output).slice(0, lines.length)).toEqual(lines);
    }
    expect(await merged(outputs)).toBe(whole);
  });

  test("a cut last line is dropped and answered again; a finished output loads no model and stays as it is", async () => {
    const output = join(directory, "cut.jsonl");
    await writeFile(output, whole);
    await truncate(output, Buffer.byteLength(whole) - 20);
    expect((await bulk(output)).stderr).toContain(`goes on behind ${lineCount - 1} answers`);
    expect(await readFile(output, "utf8")).toBe(whole);
    const again = await runCommand(["rerank", "--model", "no-such.gguf", "--jsonl", "--output", output, input]);
    expect([again.code, await readFile(output, "utf8")]).toEqual([1, whole]);
    expect(again.stderr).not.toContain("no-such.gguf");
  });

  test("another shard's output, another input's and a wrong shard are refused before anything is written", async () => {
    const output = join(directory, "other.jsonl");
    const lines = whole.split("\n").slice(0, 3).join("\n");
    await writeFile(output, `${lines}\n`);
    const other = await bulk(output, "--shard", "1/2");
    expect(other.code).toBe(2);
    expect(other.stderr).toContain(
      "not the output of shard 1/2: its line 2 should answer line 3 of the input and answers line 2",
    );
    const short = await runCommand(["rerank", ...model, "--jsonl", "--output", output], { input: "{}\n" });
    expect([short.code, short.stderr]).toEqual([1, expect.stringContaining("2 answers more than the input has lines")]);
    expect(await readFile(output, "utf8")).toBe(`${lines}\n`);
  });

  test.each([
    [
      ["--shard", "0/4"],
      {},
      '--shard: expected i/n with i from 1 to n, or job/n for the i of a Kubernetes indexed Job, got "0/4"',
    ],
    [["--shard", "5/4"], {}, "--shard: expected i/n"],
    [["--shard", "job/4"], {}, "JOB_COMPLETION_INDEX: expected a whole number from 0 to 3 for --shard job/4, got nothing"],
    [["--shard", "job/4"], { JOB_COMPLETION_INDEX: "4" }, 'for --shard job/4, got "4"'],
    [["--output", "/dev/full"], {}, "--output: /dev/full is no ordinary file"],
    [["--output", "/no/such/folder/answers"], {}, "--output: /no/such/folder/answers cannot be written"],
  ])("%j with %j ends with 2 and one line", async (flags, variables, message) => {
    const { code, stderr } = await runCommand(["rerank", ...model, "--jsonl", ...flags], { variables });
    expect([code, stderr.trimEnd().split("\n")]).toEqual([2, [expect.stringContaining(message)]]);
  });

  test("a run that waits for more of stdin ends at SIGTERM with what it has", async () => {
    const output = join(directory, "waiting.jsonl");
    const { child, ended } = startCommand(["rerank", ...model, "--jsonl", "--output", output]);
    child.stdin.write(`${inputLine(1)}\n`.repeat(9));
    // The engine works on eight lines at once: when two are written, it has the ninth.
    await until(() => existsSync(output) && completeLines(output).length > 1);
    child.kill("SIGTERM");
    expect((await ended).code).toBe(143);
    expect(completeLines(output)).toHaveLength(9);
  });

  test("when the engine fails, no line is blamed: the run fails, and a later one answers", async () => {
    const output = join(directory, "broken.jsonl");
    const files = [join(directory, "one.jsonl")];
    await writeFile(files[0] ?? "", `${inputLine(1)}\n`);
    const { signal } = new AbortController();
    const load = async () => {
      const reranker = await Reranker.load({ ...(await demoModel()), gpuLayers: 0, threads: 1 });
      await reranker.close();
      return reranker;
    };
    const broken = rerankJsonl(
      { files, output, shard: undefined, imageFolder: undefined, signal },
      { name: "lexical-demo", load },
    );
    await expect(broken).rejects.toMatchObject({ code: "closed" });
    expect(await readFile(output, "utf8")).toBe("");
    await runCommand(["rerank", ...model, "--jsonl", "--output", output, ...files]);
    expect(completeLines(output)).toHaveLength(1);
  });

  test("with a shard and no output file the answers go to stdout, with their numbers", async () => {
    const requests = [1, 2, 3].map((number) => `${inputLine(number)}\n`).join("");
    const { stdout } = await runCommand(["rerank", ...model, "--jsonl", "--shard", "2/2"], { input: requests });
    expect(stdout).toBe(`${whole.split("\n")[1]}\n`);
  });
});
