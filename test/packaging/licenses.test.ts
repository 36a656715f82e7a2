/** The licences of what is bundled into a page lie beside it. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");

test.each([
  ["playground", "main.tsx", "preact"],
  ["reference", "main.mjs", "swagger-ui-dist"],
])("each package that is bundled into the %s is among the licences, with its text", async (page, main, known) => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [`src/server/${page}/page/${main}`],
    bundle: true,
    write: false,
    metafile: true,
    jsx: "automatic",
    jsxImportSource: "preact",
  });
  const bundled = Object.keys(metafile.inputs).flatMap((path) => path.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1] ?? []);
  const names = [...new Set(bundled)];
  expect(names).toContain(known);
  const text = await readFile(join(root, "dist", page, "assets", "licenses.txt"), "utf8");
  const sections = text.split(`\n\n${"-".repeat(80)}\n\n`);
  expect(sections.map((section) => section.split(" ")[0]).sort()).toEqual(names.sort());
  for (const section of sections) expect(section).toMatch(/copyright/i);
});
