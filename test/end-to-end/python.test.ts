/** The documented Python programs and README's curl command, with another host and port only, against a listening server. */

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endedWithin, type RunningCommand, startCommand } from "../support/command.js";

const root = join(import.meta.dirname, "..", "..");
const documented = "localhost:8081";
let server: RunningCommand;
let address: string;

beforeAll(async () => {
  server = startCommand(["serve", "--demo", "--host", "127.0.0.1", "--port", "0"]);
  const ready: { port: number } = JSON.parse(await server.line((line) => line.includes('"msg":"ready"')));
  address = `127.0.0.1:${ready.port}`;
});

afterAll(async () => {
  server.child.kill("SIGTERM");
  expect(await server.ended).toMatchObject({ code: 0 });
});

const python = ["python3", "/usr/bin/python3"].find((name) => spawnSync(name, ["-c", "import requests"]).status === 0);
const missing = "no python3 here has the module requests (Debian: apt-get install python3-requests)";

/** Runs the program and returns its output. Not spawnSync: this process has to read the server's output meanwhile. */
async function runPython(name: string): Promise<string> {
  if (python === undefined) throw new Error(missing);
  const source = readFileSync(join(root, "test", "python", name), "utf8");
  expect(source).toContain(documented);
  const child = spawn(python, ["-"], { stdio: ["pipe", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  child.stdin.end(source.replaceAll(documented, address));
  const [status] = await endedWithin(child, once(child, "close"), name);
  expect(status, stderr).toBe(0);
  return stdout;
}

// A CI machine without requests is misconfigured, so there the tests fail. Elsewhere they are skipped, with the reason as their
// name.
const withPython = describe.skipIf(python === undefined && !process.env.CI);
withPython(python === undefined ? `Python (${missing})` : "Python", () => {
  it("ranks the result about how machine learning works first", async () => {
    const lines = (await runPython("search_results.py")).trim().split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^1\. 0\.\d{4} {2}Machine learning algorithms learn patterns/);
    expect(lines[1]).toMatch(/^2\. 0\.\d{4} {2}/);
    const scores = lines.map((line) => Number(line.split(" ")[1]));
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
  });

  it("builds the RAG context from the documents that the answer contains by default", async () => {
    const passages = (await runPython("rag_pipeline.py")).trim().split("\n\n");
    expect(passages).toHaveLength(3);
    for (const passage of passages) expect(passage.toLowerCase()).toContain("photosynthesis");
  });
});

const hasCurl = spawnSync("curl", ["--version"]).status === 0;

describe.skipIf(!hasCurl && !process.env.CI)("curl", () => {
  it("gets the documented answer to the documented request", () => {
    const readme = readFileSync(join(root, "README.md"), "utf8");
    const command = readme.match(/^curl -X POST [^`]*/m)?.[0];
    expect(command).toContain(documented);
    const output = execFileSync("sh", ["-c", `${command?.replaceAll(documented, address)}`], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const answer: { results: { index: number; relevance_score: number; document: string }[] } = JSON.parse(output);
    expect(answer).toMatchObject({ query: "What is machine learning?", total_documents: 3, returned_documents: 2 });
    expect(answer.results.map(({ index }) => index)).toEqual([0, 2]);
    expect(answer.results[0]?.document).toContain("Machine learning is a subset");
    const page = readFileSync(join(root, "docs", "http.md"), "utf8");
    const shown: typeof answer = JSON.parse(page.match(/^```json\n(\{\n {2}"results"[^`]*)```/m)?.[1] ?? "");
    expect(answer).toEqual({
      ...shown,
      results: shown.results.map((result) => ({
        ...result,
        // The last digits depend on the processor's instructions.
        relevance_score: expect.closeTo(result.relevance_score, 3),
      })),
    });
    for (const { relevance_score } of answer.results) {
      expect(relevance_score).toBeGreaterThan(0);
      expect(relevance_score).toBeLessThan(1);
    }
  });
});
