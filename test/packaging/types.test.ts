/** The package's types in a program that depends on it, as ES module, as CommonJS and for a bundler. */

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { copyFile, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ended } from "../support/command.js";

const root = join(import.meta.dirname, "..", "..");
/** Inside the package's folder, so that TypeScript finds the package by its name. */
const folder = join(root, "build", "types-consumers");

interface EntryPoint {
  readonly name: string;
  /** Its types for `import`. */
  readonly types: string;
}

const { exports }: { exports: Record<string, string | { import: { types: string } }> } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
);
const entryPoints = Object.entries(exports).flatMap(([path, target]): EntryPoint[] =>
  typeof target === "string" ? [] : [{ name: `jina-reranker${path.slice(1)}`, types: target.import.types }],
);

beforeAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function writeProject(compilerOptions: Readonly<Record<string, unknown>>, files: readonly string[]): Promise<void> {
  const options = { target: "es2022", lib: ["es2022", "esnext.disposable"], types: ["node"], strict: true, noEmit: true };
  const project = { compilerOptions: { ...options, skipLibCheck: false, ...compilerOptions }, files };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(project));
}

async function compile(file: string, code: string, compilerOptions: Readonly<Record<string, unknown>>): Promise<string> {
  await writeFile(join(folder, file), code);
  await writeProject(compilerOptions, [file]);
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
  ["CommonJS, node16", "common.cts", typescript + others, { module: "node16", moduleResolution: "node16" }],
  [
    "CommonJS by require",
    "required.cts",
    `import library = require("jina-reranker");
    import client = require("jina-reranker/client"); import native = require("jina-reranker/native");
    void library.Reranker.load({ demo: true }); const options: library.LoadOptions = { modelPath: "a" }; void options;
    const of: client.RerankClient = new client.RerankClient({ baseUrl: "http://x" }); void of; void native.Engine.load;`,
    { module: "node16", moduleResolution: "node16" },
  ],
])("%s has its types", async (_, file, code, options) => {
  expect(await compile(file, code, options)).toBe("");
});

/** What a declaration file exports, types and values. */
function exportedNames(declarations: string): string[] {
  const lists = [...declarations.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list = ""]) => list.split(","));
  const renamed = lists.map((item) => /(\w+)\s*$/.exec(item)?.[1] ?? "");
  const declared = [...declarations.matchAll(/^export (?:declare )?(?:class|const|function|interface|type) (\w+)/gm)];
  return [...renamed, ...declared.map(([, name = ""]) => name)].filter((name) => name !== "" && name !== "default");
}

test.each(entryPoints)("$name has the same types and values for CommonJS as for ES modules", async ({ name, types }) => {
  const names = exportedNames(await readFile(join(root, types), "utf8"));
  expect(names.length).toBeGreaterThan(2);
  const code = names.map(
    (each) => `import type { ${each} } from "${name}"; export type T${each} = ${each};
    export type V${each} = typeof ${each};\n`,
  );
  const options = { module: "node16", moduleResolution: "node16" };
  // A type that is used as a value does not compile, nor does a value as a type: the errors tell which is which.
  const [esm, commonjs] = [await compile("all.mts", code.join(""), options), await compile("all.cts", code.join(""), options)];
  expect(esm).toContain("all.mts");
  expect(commonjs.replaceAll("all.cts", "all.mts")).toBe(esm);
});

const tool = (name: string) => join(root, "test", "tools", "node_modules", ".bin", name);

describe.skipIf(!existsSync(tool("attw")) && process.env.CI !== "true")(
  "the package as tools see it (needs: npm ci --prefix test/tools)",
  () => {
    async function run(command: string, ...args: readonly string[]) {
      return ended(spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] }));
    }

    test("publint finds nothing", async () => {
      const { code, stdout } = await run(tool("publint"), "run", ".", "--strict", "--pack", "npm");
      expect([code, stdout]).toEqual([0, expect.stringContaining("All good")]);
    });

    test("tsd finds each promise of types.test-d.ts kept", async () => {
      await copyFile(join(import.meta.dirname, "types.test-d.ts"), join(folder, "promises.test-d.ts"));
      await mkdir(join(folder, "node_modules"));
      await symlink(join(root, "test", "tools", "node_modules", "tsd"), join(folder, "node_modules", "tsd"));
      const files = "build/types-consumers/*.test-d.ts";
      const { code, stderr } = await run(tool("tsd"), "--typings", "dist/index.d.ts", "--files", files);
      expect([code, stderr]).toEqual([0, ""]);
    });

    test("attw finds the types of each entry point right for require, import and bundlers", async () => {
      const packed = await run("npm", "pack", "--ignore-scripts", "--pack-destination", folder);
      const tarball = join(folder, packed.stdout.trim());
      // node16: TypeScript's node10 does not know `exports`, so it finds `jina-reranker` alone.
      const { code, stdout } = await run(tool("attw"), tarball, "--profile", "node16", "--format", "ascii", "--no-emoji");
      expect(code, stdout).toBe(0);
      for (const { name } of entryPoints) expect(stdout).toContain(`"${name}"`);
    });
  },
);

test("a wrong program does not compile, so the other tests prove something", async () => {
  expect(await compile("wrong.cts", 'import { nothing } from "jina-reranker"; void nothing;', { module: "node16" })).toContain(
    "nothing",
  );
});
