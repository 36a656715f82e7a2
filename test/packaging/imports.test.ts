/** Imports, also of types only, follow the table in imports.config.cjs. Prints the map of imports. */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const cruiser = join(root, "test", "tools", "node_modules", ".bin", "depcruise");
const run = promisify(execFile);

interface Cruise {
  readonly modules: readonly { readonly source: string; readonly dependencies: readonly { readonly resolved: string }[] }[];
  readonly summary: { readonly violations: readonly { readonly rule: { readonly name: string }; readonly from: string }[] };
}

test.skipIf(!existsSync(cruiser) && process.env.CI !== "true")(
  "imports point one way, and there is no circle (needs: npm ci --prefix test/tools)",
  async () => {
    const args = ["--config", "test/packaging/imports.config.cjs", "--output-type", "json", "src", "binding.d.ts"];
    // With violations its exit status is not 0, but its output is complete.
    const { stdout } = await run(cruiser, args, { cwd: root, maxBuffer: 2 ** 26 }).catch((error: { stdout: string }) => error);
    const { modules, summary }: Cruise = JSON.parse(stdout);
    expect(summary.violations.map(({ rule, from }) => `${from}: ${rule.name}`)).toEqual([]);

    const folderOf = (path: string) => path.match(/^src\/([^/.]+)/)?.[1];
    const map = new Map<string, Set<string>>();
    for (const { source, dependencies } of modules) {
      const [from, to] = [folderOf(source), dependencies.flatMap(({ resolved }) => folderOf(resolved) ?? [])];
      if (from !== undefined) map.set(from, new Set([...(map.get(from) ?? []), ...to.filter((folder) => folder !== from)]));
    }
    for (const [from, to] of map) console.log(`${from} → ${[...to].sort().join(", ") || "nothing of ours"}`);
    // The map has imports of types too.
    expect(map.get("client")).toContain("types");
    expect(map.get("types")).toEqual(new Set());
    expect(map.get("errors")).toEqual(new Set());
  },
);
