/**
 * vLLM's score dialect: pairs of texts, scored in their order. One text against many, or as many against as many; newer
 * clients say `queries` and `documents` for `text_1` and `text_2`.
 */

import { randomUUID } from "node:crypto";
import { Type } from "typebox";
import { RerankError } from "../../errors.js";
import type { RerankResponse } from "../../types.js";
import { Usage, usageOf } from "../schemas.js";
import { dialect, shapes } from "./dialect.js";
import { DocumentInput, documentTexts, hasField, queryText } from "./tolerance.js";

const Texts = Type.Union([...DocumentInput.anyOf, Type.Array(DocumentInput)], {
  title: 'a string, {"text"}, {"content":[{"type":"text","text"}]} or an array of these',
});
const model = Type.Optional(Type.String({ description: "any name is accepted" }));

const TextPairs = Type.Object(
  { model, text_1: Texts, text_2: Texts },
  {
    description: "vLLM",
    examples: [
      {
        model: "jina-reranker-m0",
        text_1: "What is machine learning?",
        text_2: ["The weather today is sunny and warm.", "Deep learning uses neural networks with multiple layers."],
      },
    ],
  },
);
const QueryPairs = Type.Object(
  { model, queries: Texts, documents: Texts },
  {
    description: "vLLM, newer names",
    examples: [
      {
        queries: ["What is machine learning?", "Will it rain?"],
        documents: ["Deep learning uses neural networks with multiple layers.", "The weather today is sunny and warm."],
      },
    ],
  },
);

export const vllmScore = dialect({
  request: shapes(TextPairs, QueryPairs),
  response: Type.Object(
    {
      id: Type.String(),
      object: Type.Literal("list"),
      created: Type.Integer({ description: "seconds since 1970" }),
      model: Type.String(),
      data: Type.Array(
        Type.Object({
          index: Type.Integer({ description: "position of the pair" }),
          object: Type.Literal("score"),
          score: Type.Number({ description: "0 to 1" }),
        }),
      ),
      usage: Usage,
    },
    { description: "the scores, in the order of the pairs" },
  ),
  shapeOf: (body) => (hasField(body, "queries") || hasField(body, "documents") ? QueryPairs : TextPairs),
  read(body) {
    const [names, first, second] =
      "queries" in body
        ? [{ query: "queries", documents: "documents" }, body.queries, body.documents]
        : [{ query: "text_1", documents: "text_2" }, body.text_1, body.text_2];
    const documents = documentTexts(list(second), names.documents);
    const queries = list(first).map((query, index) =>
      queryText(query, Array.isArray(first) ? `${names.query}[${index}]` : names.query),
    );
    if (queries.length === 0) throw new RerankError("empty_query", `${names.query}: expected at least one, got none`);
    if (queries.length > 1 && queries.length !== documents.length) {
      throw new RerankError(
        "invalid_request",
        `${names.query}: expected one text, or as many as ${names.documents} (${documents.length}), got ${queries.length}`,
      );
    }
    const groups = byQuery(documents.map((_, index) => queries[index] ?? queries[0] ?? ""));
    return {
      requests: Array.from(groups, ([query, indices]) => ({ query, documents: indices.map((index) => documents[index] ?? "") })),
      names,
      answer: (responses, name) => ({
        id: `score-${randomUUID()}`,
        object: "list" as const,
        created: Math.floor(Date.now() / 1000),
        model: name,
        data: inOrder([...groups.values()], responses).map((score, index) => ({ index, object: "score" as const, score })),
        usage: usageOf(...responses.map(({ usage }) => usage)),
      }),
    };
  },
});

/** An object with parts stands for a list, each part an item of its own. */
function list(texts: DocumentInput | DocumentInput[]): DocumentInput[] {
  if (Array.isArray(texts)) return texts;
  if (typeof texts === "object" && texts.content) return texts.content.map((part) => ({ content: [part] }));
  return [texts];
}

/** The pairs that share a query: they are scored in one request. */
function byQuery(queries: readonly string[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const [index, query] of queries.entries()) {
    const group = groups.get(query);
    if (group) group.push(index);
    else groups.set(query, [index]);
  }
  return groups;
}

/** The scores of all pairs, in the order in which the pairs came. */
function inOrder(groups: readonly (readonly number[])[], responses: readonly RerankResponse[]): number[] {
  const scored = responses.flatMap(({ results }, group) =>
    results.map(({ index, score }) => ({ pair: groups[group]?.[index] ?? -1, score })),
  );
  return scored.sort((a, b) => a.pair - b.pair).map(({ score }) => score);
}
