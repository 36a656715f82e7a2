/**
 * vLLM's score dialect. It scores pairs of texts in their order: one text with each of many, or two lists of the same length pair
 * by pair. Newer clients write `queries` and `documents` for `text_1` and `text_2`.
 */

import { randomUUID } from "node:crypto";
import { Type } from "typebox";
import { defaultMaxDocuments } from "../engine/limits.js";
import { RerankError } from "../errors.js";
import type { RankedDocument, RerankResponse } from "../types.js";
import { dialect, shapes } from "./dialect.js";
import { rankingFields, readPairOptions, requested } from "./ranking-options.js";
import { CompletionUsage, completionUsageOf } from "./schemas.js";
import { asList, documentTexts, queryText, TextInput, textShapes } from "./texts.js";
import { hasField } from "./tolerance.js";

const Texts = Type.Union([...TextInput.anyOf, Type.Array(TextInput)], { title: `${textShapes}, or an array of these` });
const model = Type.Optional(Type.String({ description: "any name is accepted" }));

const TextPairs = Type.Object(
  { model, text_1: Texts, text_2: Texts, ...rankingFields },
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
  { model, queries: Texts, documents: Texts, ...rankingFields },
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
          score: Type.Number({ description: "0 to 1, or a logit" }),
        }),
      ),
      usage: CompletionUsage,
    },
    { description: "the scores, in the order of the pairs" },
  ),
  shapeOf: (body) => (hasField(body, "queries") || hasField(body, "documents") ? QueryPairs : TextPairs),
  read(body) {
    const [names, first, second] =
      "queries" in body
        ? [{ query: "queries", documents: "documents" }, body.queries, body.documents]
        : [{ query: "text_1", documents: "text_2" }, body.text_1, body.text_2];
    const options = readPairOptions(body);
    const documents = documentTexts(list(second), names.documents, options.rankFields);
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
      requests: Array.from(groups, ([query, indices]) => ({
        query,
        documents: indices.map((index) => documents[index] ?? ""),
        maxDocuments: defaultMaxDocuments.others,
        ...requested(options),
      })),
      names,
      inChunks: options.inChunks,
      answer: (responses, name) => ({
        id: `score-${randomUUID()}`,
        object: "list" as const,
        created: Math.floor(Date.now() / 1000),
        model: name,
        data: inOrder([...groups.values()], responses).map((pair, index) => ({
          index,
          object: "score" as const,
          score: options.raw ? pair.logit : pair.score,
        })),
        usage: completionUsageOf(...responses.map(({ usage }) => usage)),
      }),
    };
  },
});

function list(texts: TextInput | TextInput[]): TextInput[] {
  return Array.isArray(texts) ? texts : asList(texts);
}

/** Groups the pairs by query: the pairs of a group are scored in one request. */
function byQuery(queries: readonly string[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const [index, query] of queries.entries()) {
    const group = groups.get(query);
    if (group) group.push(index);
    else groups.set(query, [index]);
  }
  return groups;
}

/** The results of all pairs, in the order in which the pairs came. */
function inOrder(groups: readonly (readonly number[])[], responses: readonly RerankResponse[]): RankedDocument[] {
  const scored = responses.flatMap(({ results }, group) =>
    results.map((result) => ({ pair: groups[group]?.[result.index] ?? -1, result })),
  );
  return scored.sort((a, b) => a.pair - b.pair).map(({ result }) => result);
}
