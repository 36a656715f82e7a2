/** Spelling of the pages and of the comments that a user's editor shows: British, with the words of test/tools/words.txt. */

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ended } from "../support/command.js";

const root = join(import.meta.dirname, "..", "..");
const tools = join(root, "test", "tools");
const speller = join(tools, "node_modules", ".bin", "cspell");

describe.skipIf(!existsSync(speller) && process.env.CI !== "true")("spelling (needs: npm ci --prefix test/tools)", () => {
  async function spell(...files: readonly string[]) {
    const args = ["lint", "--config", join(tools, "cspell.json"), "--no-progress", "--no-color", ...files];
    return ended(spawn(speller, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] }));
  }

  test("no word of the pages and of public comments is unknown", async () => {
    const { code, stdout, stderr } = await spell();
    expect([code, stdout]).toEqual([0, ""]);
    const [, files = 0] = /Files checked: (\d+)/.exec(stderr) ?? [];
    expect(Number(files)).toBeGreaterThan(20);
  });

  test("what is wrong, or American, is found in prose and not in code", async () => {
    const folder = await mkdtemp(join(tmpdir(), "jina-reranker-spelling-"));
    await writeFile(join(folder, "page.md"), "The behavior of a colour, `a color`, wrogn.\n");
    await writeFile(join(folder, "types.ts"), "/** A wrogn limit. */\nexport const wrogn = 1;\n");
    const { stdout } = await spell("--root", folder, join(folder, "page.md"), join(folder, "types.ts"));
    const found = [...stdout.matchAll(/(\w+\.\w+):(\d+):\d+ - \w+ word \((\w+)\)/g)].map((match) => match.slice(1).join(" "));
    expect(found).toEqual(["page.md 1 behavior", "page.md 1 wrogn", "types.ts 1 wrogn"]);
  });

  test("the project's words are sorted, and each is said once", () => {
    const words = readFileSync(join(tools, "words.txt"), "utf8").trimEnd().split("\n");
    expect(words).toEqual([...new Set(words)].sort());
  });
});
