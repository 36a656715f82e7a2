/** README and the pages repeat tables and programs from elsewhere: the copies must be equal. */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { scoringPaths } from "../../src/server/routes/paths.js";
import { pages, readPage } from "../support/pages.js";

const root = join(import.meta.dirname, "..", "..");
const page = (name: string) => readPage(name).text;

describe("README and docs/", () => {
  it.each([
    ...["docs/http.md", "docs/settings.md", "docs/known-documents.md"],
    ...["deploy/compose.yaml", "deploy/helm/jina-reranker/values.schema.json"],
  ])("%s is what docs/generate.mjs makes from the tables of code and benchmark", (name) => {
    const generate = [join(root, "docs", "generate.mjs"), "--print", name];
    const { status, stdout, stderr } = spawnSync(process.execPath, generate, { encoding: "utf8" });
    expect(status, stderr).toBe(0);
    expect(stdout).toBe(readFileSync(join(root, name), "utf8"));
  });

  it("docs/http.md has every route that scores in its table of dialects", () => {
    const [, section = ""] = page("docs/http.md").split("## Dialects");
    const [table = ""] = section.split("\n\n## ");
    const rows = [...table.matchAll(/^\| `POST \/.*$/gm)].map(([row]) => row);
    const named = rows.flatMap((row) => [...row.matchAll(/`(?:POST )?(\/[\w/]*)`/g)].map(([, path]) => path ?? ""));
    expect([...new Set(named)].sort()).toEqual(Object.values(scoringPaths).flat().sort());
  });

  it("README shows dialects on routes of docs/http.md", () => {
    const [, section = ""] = page("README.md").split("## Clients of other services");
    const routes = [...section.matchAll(/^\|.*\| `POST (\/[\w/]*)`/gm)].map(([, path]) => path ?? "");
    expect(routes.length).toBeGreaterThan(3);
    const known: readonly string[] = Object.values(scoringPaths).flat();
    expect(routes.filter((path) => !known.includes(path))).toEqual([]);
  });

  it("README's rows of the benchmark are rows of bench/RESULTS.md", () => {
    const [, section = ""] = page("README.md").match(/<!-- bench:begin -->\n([\s\S]*?)<!-- bench:end -->/) ?? [];
    const rows = section.split("\n").filter((line) => line.startsWith("| "));
    const results = readFileSync(join(root, "bench", "RESULTS.md"), "utf8").split("\n");
    expect(rows).toHaveLength(2 + 5);
    expect(rows.filter((row) => !results.includes(row))).toEqual([]);
  });

  it.each([
    ["README.md", "search_results.py"],
    ["docs/client.md", "rag_pipeline.py"],
  ])("%s shows %s as it is tested", (name, file) => {
    const program = readFileSync(join(root, "test", "python", file), "utf8");
    expect(page(name)).toContain(`\`\`\`python\n${program}\`\`\``);
  });

  it.each(pages)("$name links only to files, folders and headings that exist", ({ name, text }) => {
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link ?? "").filter((link) => !/^https?:/.test(link));
    const broken = links.filter((link) => {
      const [path = "", heading] = link.split("#");
      const target = path === "" ? join(root, name) : join(root, dirname(name), path);
      return !existsSync(target) || (heading !== undefined && !headings(target).includes(heading));
    });
    const names = [...text.matchAll(/`((?:src|native|test|vendor|bench|docs|deploy)\/[\w./-]*)`/g)].map(([, path]) => path ?? "");
    expect([...broken, ...names.filter((path) => !existsSync(join(root, path)))]).toEqual([]);
  });

  it("README links to every page", () => {
    const readme = page("README.md");
    expect(pages.map(({ name }) => name).filter((name) => name !== "README.md" && !readme.includes(`](${name})`))).toEqual([]);
  });

  it.each(pages)("$name begins with its readers", ({ name, text }) => {
    const [, opening = ""] = text.split("\n\n");
    expect(opening).toMatch(name === "README.md" ? /^A search finds/ : /^This page (is for|says)/);
  });

  it("names only scripts of package.json", () => {
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const named = pages.flatMap(({ text }) => [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name ?? ""));
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it("CHANGELOG's newest entry is package.json's version, under what is not released", () => {
    const { version }: { version: string } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(page("CHANGELOG.md").match(/^## (?!Unreleased$)(.*)$/m)?.[1]).toBe(version);
  });
});

/** The anchor of a heading. */
function headings(path: string): string[] {
  const titles = [...readFileSync(path, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, title]) => title ?? "");
  return titles.map((title) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}
