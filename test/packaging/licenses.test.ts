/** The licences of what is bundled into the playground lie beside it. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");

test("each package that is bundled into the playground is among the licences, with its text", async () => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ["src/server/playground/page/main.tsx"],
    bundle: true,
    write: false,
    metafile: true,
    jsx: "automatic",
    jsxImportSource: "preact",
  });
  const bundled = Object.keys(metafile.inputs).flatMap((path) => path.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1] ?? []);
  const names = [...new Set(bundled)];
  expect(names).toContain("preact");
  const text = await readFile(join(root, "dist", "playground", "assets", "licenses.txt"), "utf8");
  const sections = text.split(`\n\n${"-".repeat(80)}\n\n`);
  expect(sections.map((section) => section.split(" ")[0]).sort()).toEqual(names.sort());
  for (const section of sections) expect(section).toMatch(/copyright/i);
});
