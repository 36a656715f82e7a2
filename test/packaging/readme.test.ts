/** README repeats tables and programs that live elsewhere: it must say what they say. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { errorTable } from "../../src/errors.js";
import { type Setting, settings } from "../../src/settings/table.js";

const root = join(import.meta.dirname, "..", "..");
const readme = readFileSync(join(root, "README.md"), "utf8");

/** The lines between two markers. */
function between(name: string): string {
  const [, text] = readme.match(new RegExp(`<!-- ${name}:begin -->\n([^]*?)<!-- ${name}:end -->`)) ?? [];
  if (text === undefined) throw new Error(`README has no markers ${name}:begin and ${name}:end`);
  return text.trim();
}

function table(rows: readonly (readonly string[])[]): string {
  const [header = [], ...body] = rows;
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(header), `|${"---|".repeat(header.length)}`, ...body.map(line)].join("\n");
}

describe("README", () => {
  it("has the error table of src/errors.ts", () => {
    const rows = Object.entries(errorTable).map(([code, { status, when }]) => [String(status), code, when]);
    expect(between("errors")).toBe(table([["status", "code", "when"], ...rows]));
  });

  it("has the settings of src/settings/table.ts", () => {
    const rows = Object.values<Setting<unknown>>(settings).map((row) => [
      row.environment,
      `\`${row.flag}\``,
      row.defaultText ?? String(row.default ?? "–"),
      row.kind.allowed,
      row.help,
    ]);
    expect(between("settings")).toBe(table([["variable", "flag", "default", "allowed", "meaning"], ...rows]));
  });

  it.each(["search_results.py", "rag_pipeline.py"])("shows %s as it is tested", (name) => {
    const program = readFileSync(join(root, "test", "python", name), "utf8");
    expect(readme).toContain(`\`\`\`python\n${program}\`\`\``);
  });

  it("names only files and folders that exist", () => {
    const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path]) => path ?? "");
    const names = [...readme.matchAll(/`((?:src|native|test|vendor|bench)\/[\w./-]*)`/g)].map(([, path]) => path ?? "");
    expect(links.length).toBeGreaterThan(5);
    expect([...links, ...names].filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it("names only scripts of package.json", () => {
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const named = [...readme.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name ?? "");
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});
