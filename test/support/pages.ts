/** README, the other pages of the top level and docs/, with their code blocks. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

export interface Page {
  /** Path inside the repository. */
  readonly name: string;
  readonly text: string;
}

export interface CodeBlock {
  readonly page: string;
  /** The language after the fence; empty for figures and terminal output. */
  readonly language: string;
  readonly code: string;
  /** The page, and the number of the block among the page's blocks of this language. */
  readonly title: string;
}

export function readPage(name: string): Page {
  return { name, text: readFileSync(join(root, name), "utf8") };
}

const inDocs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));

export const pages: readonly Page[] = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
  .concat(inDocs.sort().map((name) => `docs/${name}`))
  .map(readPage);

export const codeBlocks: readonly CodeBlock[] = pages.flatMap(({ name, text }) => {
  const counts = new Map<string, number>();
  return [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, language = "", code = ""]) => {
    const number = (counts.get(language) ?? 0) + 1;
    counts.set(language, number);
    return { page: name, language, code, title: `${name}, ${language} ${number}` };
  });
});
