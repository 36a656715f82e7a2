/**
 * Programs that send the request on the page. They read the key from the environment, so that it is never shown, and images from
 * files of the same names.
 */

import { type Content, type Input, isPicture, picturesIn } from "./content.js";

export interface SnippetRequest extends Input {
  readonly baseUrl: string;
  readonly withKey: boolean;
}

export const languages = ["curl", "Python", "TypeScript"] as const;
export type Language = (typeof languages)[number];

const writers: Readonly<Record<Language, (request: SnippetRequest) => string>> = { curl, Python: python, TypeScript: typescript };

export function snippet(language: Language, request: SnippetRequest): string {
  return writers[language](request);
}

function curl(request: SnippetRequest): string {
  const { baseUrl, withKey } = request;
  const withImages = picturesIn(request).length > 0;
  return [
    `curl ${baseUrl}/rerank \\`,
    '  -H "Content-Type: application/json" \\',
    ...(withKey ? ['  -H "Authorization: Bearer $RERANK_API_KEY" \\'] : []),
    ...(withImages ? ["  -d @- <<END", jsonWithImages(request), "END"] : [`  -d ${shellWord(json(request))}`]),
  ].join("\n");
}

function json({ query, documents, topK }: SnippetRequest): string {
  return JSON.stringify({ query, documents, top_k: topK }, undefined, 2);
}

/** For a here-document, in which a shell runs what reads the files. An argument would not hold them. */
function jsonWithImages({ query, documents, topK }: SnippetRequest): string {
  const value = (content: Content) =>
    isPicture(content)
      ? `{ "image": "$(base64 < ${shellWord(content.file.name)} | tr -d '\\n')" }`
      : JSON.stringify(content).replaceAll(/[\\$`]/g, "\\$&");
  return [
    "{",
    `  "query": ${value(query)},`,
    `  "documents": ${list(documents.map(value), "  ", { lastComma: false })},`,
    // The answer would repeat each image.
    `  "return_documents": false${topK === undefined ? "" : `,\n  "top_k": ${topK}`}`,
    "}",
  ].join("\n");
}

/** A shell changes nothing inside single quotes; only the quote itself has to be escaped. */
function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function python(request: SnippetRequest): string {
  const { baseUrl, query, documents, topK, withKey } = request;
  const withImages = picturesIn(request).length > 0;
  // Strings and numbers are written in Python as in JSON.
  const value = (content: Content) =>
    isPicture(content) ? `image(${JSON.stringify(content.file.name)})` : JSON.stringify(content);
  return [
    ...(withImages ? ["import base64"] : []),
    ...(withKey ? ["import os"] : []),
    ...(withImages ? ["from pathlib import Path"] : []),
    ...(withImages || withKey ? [""] : []),
    "import requests",
    "",
    ...(withImages ? ["def image(path):", '    return {"image": base64.b64encode(Path(path).read_bytes()).decode()}', ""] : []),
    "response = requests.post(",
    `    ${JSON.stringify(`${baseUrl}/rerank`)},`,
    ...(withKey ? ['    headers={"Authorization": f"Bearer {os.environ[\'RERANK_API_KEY\']}"},'] : []),
    "    json={",
    `        "query": ${value(query)},`,
    `        "documents": ${list(documents.map(value), "        ")},`,
    ...(withImages ? ['        "return_documents": False,'] : []),
    ...(topK === undefined ? [] : [`        "top_k": ${topK},`]),
    "    },",
    ")",
    "response.raise_for_status()",
    'for result in response.json()["results"]:',
    `    print(f"{result['relevance_score']:.4f}  {result['${withImages ? "index" : "document"}']}")`,
  ].join("\n");
}

function typescript(request: SnippetRequest): string {
  const { baseUrl, query, documents, topK, withKey } = request;
  const withImages = picturesIn(request).length > 0;
  const key = withKey ? ", apiKey: process.env.RERANK_API_KEY" : "";
  const value = (content: Content) =>
    isPicture(content) ? `{ image: await readFile(${JSON.stringify(content.file.name)}) }` : JSON.stringify(content);
  const printed = withImages ? "index" : "document";
  return [
    ...(withImages ? ['import { readFile } from "node:fs/promises";'] : []),
    'import { RerankClient } from "jina-reranker/client";',
    "",
    `const client = new RerankClient({ baseUrl: ${JSON.stringify(baseUrl)}${key} });`,
    "const { results } = await client.rerank({",
    `  query: ${value(query)},`,
    `  documents: ${list(documents.map(value), "  ")},`,
    ...(topK === undefined ? [] : [`  topK: ${topK},`]),
    "});",
    `for (const { score, ${printed} } of results) console.log(score.toFixed(4), ${printed});`,
  ].join("\n");
}

function list(values: readonly string[], indent: string, { lastComma } = { lastComma: true }): string {
  const step = indent.length === 2 ? "  " : "    ";
  const lines = values.map((value, index) => `${indent}${step}${value}${lastComma || index < values.length - 1 ? "," : ""}`);
  return ["[", ...lines, `${indent}]`].join("\n");
}
