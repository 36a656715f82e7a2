/** Programs that send the request on the page. They read the key from the environment, so that it is never shown. */

export interface SnippetRequest {
  readonly baseUrl: string;
  readonly query: string;
  readonly documents: readonly string[];
  readonly topK: number | undefined;
  readonly withKey: boolean;
}

export const languages = ["curl", "Python", "TypeScript"] as const;
export type Language = (typeof languages)[number];

const writers: Readonly<Record<Language, (request: SnippetRequest) => string>> = { curl, Python: python, TypeScript: typescript };

export function snippet(language: Language, request: SnippetRequest): string {
  return writers[language](request);
}

function curl({ baseUrl, query, documents, topK, withKey }: SnippetRequest): string {
  const body = JSON.stringify({ query, documents, top_k: topK }, undefined, 2);
  return [
    `curl ${baseUrl}/rerank \\`,
    '  -H "Content-Type: application/json" \\',
    ...(withKey ? ['  -H "Authorization: Bearer $RERANK_API_KEY" \\'] : []),
    // A shell changes nothing inside single quotes; only the quote itself has to be escaped.
    `  -d '${body.replaceAll("'", "'\\''")}'`,
  ].join("\n");
}

function python({ baseUrl, query, documents, topK, withKey }: SnippetRequest): string {
  // Strings and numbers are written in Python as in JSON.
  return [
    ...(withKey ? ["import os", ""] : []),
    "import requests",
    "",
    "response = requests.post(",
    `    ${JSON.stringify(`${baseUrl}/rerank`)},`,
    ...(withKey ? ['    headers={"Authorization": f"Bearer {os.environ[\'RERANK_API_KEY\']}"},'] : []),
    "    json={",
    `        "query": ${JSON.stringify(query)},`,
    `        "documents": ${list(documents, "        ")},`,
    ...(topK === undefined ? [] : [`        "top_k": ${topK},`]),
    "    },",
    ")",
    "response.raise_for_status()",
    'for result in response.json()["results"]:',
    "    print(f\"{result['relevance_score']:.4f}  {result['document']}\")",
  ].join("\n");
}

function typescript({ baseUrl, query, documents, topK, withKey }: SnippetRequest): string {
  const key = withKey ? ", apiKey: process.env.RERANK_API_KEY" : "";
  return [
    'import { RerankClient } from "jina-reranker/client";',
    "",
    `const client = new RerankClient({ baseUrl: ${JSON.stringify(baseUrl)}${key} });`,
    "const { results } = await client.rerank({",
    `  query: ${JSON.stringify(query)},`,
    `  documents: ${list(documents, "  ")},`,
    ...(topK === undefined ? [] : [`  topK: ${topK},`]),
    "});",
    "for (const { score, document } of results) console.log(score.toFixed(4), document);",
  ].join("\n");
}

function list(texts: readonly string[], indent: string): string {
  const lines = texts.map((text) => `${indent}${indent.length === 2 ? "  " : "    "}${JSON.stringify(text)},`);
  return ["[", ...lines, `${indent}]`].join("\n");
}
