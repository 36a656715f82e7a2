/**
 * The examples of README and docs/: TypeScript compiles against the package's types; TypeScript and shell lines run, with the
 * demo model in place of the real one and the service on another port. kinds.ts lists the examples that cannot run.
 */

import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { transform } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Ended, ended, type RunningCommand, startCommand } from "../support/command.js";
import { demoModel } from "../support/demo-service.js";
import { codeBlocks } from "../support/pages.js";
import { languages, shellNotRun } from "./kinds.js";

const root = join(import.meta.dirname, "..", "..");
/** Inside the package's folder, so that the examples find the package by its name. */
const compiled = join(root, "build", "docs-examples");
const documentedAddress = "localhost:8081";
const documentedModel = "models/jina-reranker-m0-Q4_K_M.gguf";

let server: RunningCommand;
let address: string;
let work: string;

beforeAll(async () => {
  server = startCommand(["serve", "--demo", "--host", "127.0.0.1", "--port", "0"]);
  const ready: { port: number } = JSON.parse(await server.line((line) => line.includes('"msg":"ready"')));
  address = `127.0.0.1:${ready.port}`;
  work = await mkdtemp(join(tmpdir(), "jina-reranker-docs-"));
  await rm(compiled, { recursive: true, force: true });
  await mkdir(compiled, { recursive: true });
});

afterAll(async () => {
  server.child.kill("SIGTERM");
  expect(await server.ended).toMatchObject({ code: 0 });
  await rm(work, { recursive: true, force: true });
  await rm(compiled, { recursive: true, force: true });
});

const blocksOf = (language: string) => codeBlocks.filter((block) => block.language === language);
const firstLine = (code: string) => code.split("\n", 1)[0] ?? "";

function run(command: string, args: readonly string[], cwd: string, path = process.env.PATH): Promise<Ended> {
  const { HOME, XDG_CACHE_HOME } = process.env;
  const env = { HOME, XDG_CACHE_HOME, PATH: path, DEMO: "true", N_THREADS: "1" };
  return ended(spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] }));
}

describe("every code block", () => {
  it("has a known language", () => {
    expect(codeBlocks.filter(({ language }) => !Object.hasOwn(languages, language)).map(({ title }) => title)).toEqual([]);
  });

  it("that is listed as not run exists", () => {
    const present = blocksOf("sh").map(({ code }) => firstLine(code));
    expect(Object.keys(shellNotRun).filter((line) => !present.includes(line))).toEqual([]);
  });

  it.each(blocksOf("json").filter(({ code }) => !code.includes("…")))("$title is JSON", ({ code }) => {
    expect(JSON.parse(code)).toBeTypeOf("object");
  });
});

describe("TypeScript", () => {
  const blocks = blocksOf("ts");

  it("compiles against the package's types", async () => {
    for (const [index, { code }] of blocks.entries()) await writeFile(join(compiled, `${index}.ts`), code);
    const project = {
      extends: "../../tsconfig.json",
      compilerOptions: { rootDir: "../..", declaration: false, sourceMap: false },
      include: ["*.ts"],
    };
    await writeFile(join(compiled, "tsconfig.json"), JSON.stringify(project));
    const { code, stdout } = await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", compiled], root);
    expect(code, `${stdout}\n${blocks.map(({ title }, index) => `${index}.ts is ${title}`).join("\n")}`).toBe(0);
  });

  it.each(blocks.map((block, index) => ({ ...block, index })))("$title runs", async ({ code, index }) => {
    const { modelPath } = await demoModel();
    const here = code.replaceAll(documentedAddress, address).replaceAll(documentedModel, modelPath);
    // Node 20 understands neither types nor `await using`.
    const { code: script } = await transform(here, { loader: "ts", format: "esm", target: "node20" });
    const file = join(compiled, `${index}.mjs`);
    await writeFile(file, script);
    const outcome = await run(process.execPath, [file], root);
    expect(outcome.code, outcome.stderr).toBe(0);
    if (code.includes("results[0]?.document"))
      expect(outcome.stdout).toMatch(/^(how to bake bread|Machine learning .*) \d+(\.\d+)?\b/);
    else if (code.includes("console.error(error.code")) expect(outcome.stderr).toMatch(/^empty_query 422 /);
  });
});

describe("shell", () => {
  const blocks = blocksOf("sh").filter(({ code }) => !Object.hasOwn(shellNotRun, firstLine(code)));
  let path: string;

  beforeAll(async () => {
    const bin = join(work, "bin");
    await mkdir(bin);
    const command = `"${process.execPath}" "${join(root, "dist", "cli", "main.js")}"`;
    const npx = `#!/bin/sh\n[ "$1" = jina-reranker ] || { echo "npx $1: not in an example"; exit 127; }\nshift\nexec ${command} "$@"\n`;
    await writeFile(join(bin, "npx"), npx);
    await chmod(join(bin, "npx"), 0o755);
    path = `${bin}:${process.env.PATH}`;
    const request = (line: number) => JSON.stringify({ query: `word ${line}`, documents: ["a word", `the number ${line}`] });
    await writeFile(join(work, "requests.jsonl"), [1, 2, 3, 4, 5, 6].map((line) => `${request(line)}\n`).join(""));
  });

  const shell = (code: string) => run("sh", ["-e", "-c", code.replaceAll(documentedAddress, address)], work, path);

  it.each(blocks)("$title runs", async ({ code }) => {
    const { code: status, stderr } = await shell(code);
    expect(status, stderr).toBe(0);
    // The page runs the other shards on other machines.
    if (code.includes("--shard 1/4")) {
      for (const shard of [2, 3, 4]) {
        const other = await shell(code.replace("1/4", `${shard}/4`).replace("answers-1", `answers-${shard}`));
        expect(other.code, other.stderr).toBe(0);
      }
    }
  });

  it("merges the answers of all shards in the order of the requests", async () => {
    expect((await readdir(work)).filter((name) => name.endsWith(".jsonl"))).toHaveLength(1 + 4 + 1);
    const answers = (await readFile(join(work, "answers.jsonl"), "utf8")).trimEnd().split("\n");
    expect(answers.map((line) => JSON.parse(line).line)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
