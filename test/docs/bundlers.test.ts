/** The statements of docs/runtimes.md about bundlers: the client can be bundled for browsers, the library stays outside. */

import { spawn } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ended } from "../support/command.js";
import { demoModel } from "../support/demo-service.js";

/** Inside the package's folder, so that the bundler finds the package by its name. */
const folder = join(import.meta.dirname, "..", "..", "build", "docs-bundles");

beforeAll(() => mkdir(folder, { recursive: true }));
afterAll(() => rm(folder, { recursive: true, force: true }));

it("the client can be bundled for browsers, imports nothing from Node, and is small", async () => {
  const contents = 'export { RerankClient } from "jina-reranker/client";';
  const { outputFiles, warnings } = await build({
    stdin: { contents, resolveDir: folder },
    bundle: true,
    minify: true,
    platform: "browser",
    format: "esm",
    write: false,
  });
  expect(warnings).toEqual([]);
  const [bundle] = outputFiles;
  expect(bundle?.text).not.toMatch(/\bfrom\s*"/);
  expect(bundle?.contents.length).toBeLessThan(6500);
});

it("a bundle with the library outside ranks", async () => {
  const { modelPath } = await demoModel();
  const program = join(folder, "app.ts");
  await writeFile(
    program,
    `import { Reranker } from "jina-reranker";
     const reranker = await Reranker.load({ modelPath: ${JSON.stringify(modelPath)}, gpuLayers: 0, threads: 1 });
     const { results } = await reranker.rerank({ query: "baking bread", documents: ["the history of Rome", "how to bake bread"] });
     console.log(results[0]?.document);
     await reranker.close();`,
  );
  const outfile = join(folder, "app.mjs");
  await build({ entryPoints: [program], bundle: true, platform: "node", format: "esm", external: ["jina-reranker"], outfile });
  const outcome = await ended(spawn(process.execPath, [outfile], { stdio: ["ignore", "pipe", "pipe"] }));
  expect(outcome).toMatchObject({ code: 0, stdout: "how to bake bread\n" });
});
