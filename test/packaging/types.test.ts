/** The package's types in a program that depends on it, as ES module, as CommonJS and for a bundler. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ended } from "../support/installation.js";

const root = join(import.meta.dirname, "..", "..");
/** Inside the package's folder, so that TypeScript finds the package by its name. */
const folder = join(root, "build", "types-consumers");

beforeAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function compile(file: string, code: string, compilerOptions: Readonly<Record<string, unknown>>): Promise<string> {
  await writeFile(join(folder, file), code);
  const options = { target: "es2022", lib: ["es2022", "esnext.disposable"], types: ["node"], strict: true, noEmit: true };
  const project = { compilerOptions: { ...options, skipLibCheck: false, ...compilerOptions }, files: [file] };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(project));
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { code: status, stdout } = await ended(
    spawn(process.execPath, [tsc, "-p", folder], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] }),
  );
  return status === 0 ? "" : stdout;
}

const use = `
  export async function first(options: LoadOptions): Promise<number> {
    const reranker: Reranker = await Reranker.load(options);
    const { results } = await reranker.rerank({ query: "a", documents: ["b"] });
    const sure: number | undefined = results[0]?.score;
    return sure ?? rank(new Float32Array([1]), 1).length;
  }
  // @ts-expect-error a path is text
  void Reranker.load({ modelPath: 5 });
  // @ts-expect-error there is no such code
  new RerankError("no_such_code", "");`;

const values = "Reranker, RerankError, rank, errorTable";
const typescript = `import { ${values}, type LoadOptions } from "jina-reranker"; void errorTable;${use}`;
const others = `
  import { RerankClient } from "jina-reranker/client"; import { Engine } from "jina-reranker/native";
  import server, { rerankServer, type RerankServerOptions } from "jina-reranker/server";
  export const served: RerankServerOptions = { load: { demo: true }, docs: false };
  // @ts-expect-error a reranker, or how to load one
  export const unserved: RerankServerOptions = { docs: false };
  void server; void rerankServer;
  void new RerankClient({ baseUrl: "http://x" }); void Engine.load;`;

test.each([
  ["an ES module, node16", "module.mts", typescript + others, { module: "node16", moduleResolution: "node16" }],
  ["an ES module, nodenext", "module.mts", typescript + others, { module: "nodenext", moduleResolution: "nodenext" }],
  ["what a bundler takes", "bundled.ts", typescript + others, { module: "esnext", moduleResolution: "bundler" }],
  ["CommonJS, node16", "common.cts", typescript, { module: "node16", moduleResolution: "node16" }],
  [
    "CommonJS by require",
    "required.cts",
    `import library = require("jina-reranker");
    void library.Reranker.load({ demo: true }); const options: library.LoadOptions = { modelPath: "a" }; void options;`,
    { module: "node16", moduleResolution: "node16" },
  ],
])("%s has its types", async (_, file, code, options) => {
  expect(await compile(file, code, options)).toBe("");
});

test("CommonJS has every type that ES modules have", async () => {
  const exported = (await readFile(join(root, "src", "index.ts"), "utf8")).match(/export type \{([^}]*)\}/)?.[1] ?? "";
  const names = exported.split(",").flatMap((name) => name.trim() || []);
  expect(names.length).toBeGreaterThan(10);
  const code = `import type { ErrorCode, Reranker, RerankError, ${names.join(", ")} } from "jina-reranker";
    export type All = [ErrorCode, Reranker, RerankError, ${names.join(", ")}];`;
  expect(await compile("all.cts", code, { module: "node16", moduleResolution: "node16" })).toBe("");
});

const publint = join(root, "test", "tools", "node_modules", ".bin", "publint");

test.skipIf(!existsSync(publint) && process.env.CI !== "true")(
  "publint finds nothing in the package (needs: npm ci --prefix test/tools)",
  async () => {
    const child = spawn(publint, ["run", ".", "--strict", "--pack", "false"], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    const { code, stdout } = await ended(child);
    expect([code, stdout]).toEqual([0, expect.stringContaining("All good")]);
  },
);

test("a wrong program does not compile, so the other tests prove something", async () => {
  expect(await compile("wrong.cts", 'import { nothing } from "jina-reranker"; void nothing;', { module: "node16" })).toContain(
    "nothing",
  );
});
