/**
 * vLLM's score dialect. It scores pairs in their order: one query with each of many documents, or two lists of the same length
 * pair by pair. Clients name the two sides differently.
 */

import { randomUUID } from "node:crypto";
import { type Static, Type } from "typebox";
import { defaultMaxDocuments } from "../engine/limits.js";
import { RerankError } from "../errors.js";
import type { Content, RankedDocument, RerankResponse } from "../types.js";
import {
  asList,
  ContentInput,
  contentShapes,
  documentContents,
  exampleImage,
  queryContent,
  type SentContent,
} from "./contents.js";
import { dialect, shapes } from "./dialect.js";
import { rankingFields } from "./ranking-fields.js";
import { readPairOptions, requested } from "./ranking-options.js";
import { CompletionUsage, completionUsageOf } from "./schemas.js";
import { hasField } from "./tolerance.js";

const Contents = Type.Union([...ContentInput.anyOf, Type.Array(ContentInput)], {
  title: `${contentShapes}, or an array of these`,
});
const model = Type.Optional(Type.String({ description: "any name is accepted" }));

const TextPairs = Type.Object(
  { model, text_1: Contents, text_2: Contents, ...rankingFields },
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
  { model, queries: Contents, documents: Contents, ...rankingFields },
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

const ItemPairs = Type.Object(
  { model, queries: Contents, items: Contents, ...rankingFields },
  {
    description: "vLLM, items",
    examples: [{ queries: "a chart of sales", items: { content: [{ type: "image_url", image_url: { url: exampleImage } }] } }],
  },
);
const DataPairs = Type.Object(
  { model, data_1: Contents, data_2: Contents, ...rankingFields },
  {
    description: "vLLM, data",
    examples: [{ data_1: "a chart of sales", data_2: ["Sales fell.", { type: "image_url", image_url: { url: exampleImage } }] }],
  },
);

export const vllmScore = dialect({
  request: shapes(TextPairs, QueryPairs, ItemPairs, DataPairs),
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
  shapeOf(body) {
    if (hasField(body, "items")) return ItemPairs;
    if (hasField(body, "data_1") || hasField(body, "data_2")) return DataPairs;
    return hasField(body, "queries") || hasField(body, "documents") ? QueryPairs : TextPairs;
  },
  read(body) {
    const { names, first, second } = sides(body);
    const options = readPairOptions(body);
    const documents = documentContents(list(second), names.documents, options.rankFields);
    const queries = list(first).map((query, index) =>
      queryContent(query, Array.isArray(first) ? `${names.query}[${index}]` : names.query),
    );
    if (queries.length === 0) throw new RerankError("empty_query", `${names.query}: expected at least one, got none`);
    if (queries.length > 1 && queries.length !== documents.length) {
      throw new RerankError(
        "invalid_request",
        `${names.query}: expected one, or as many as ${names.documents} (${documents.length}), got ${queries.length}`,
      );
    }
    const groups = byQuery(documents.map((_, index) => queries[index] ?? queries[0] ?? ""));
    return {
      requests: groups.map(({ query, pairs }) => ({
        query,
        documents: pairs.map((index) => documents[index] ?? ""),
        maxDocuments: defaultMaxDocuments.others,
        ...requested(options),
      })),
      places: groups.map(({ pairs }) => ({
        query: Array.isArray(first) ? `[${queries.length === 1 ? 0 : pairs[0]}]` : "",
        documents: pairs,
      })),
      names,
      answer: (responses, name) => ({
        id: `score-${randomUUID()}`,
        object: "list" as const,
        created: Math.floor(Date.now() / 1000),
        model: name,
        data: inOrder(groups, responses).map((pair, index) => ({
          index,
          object: "score" as const,
          score: options.raw ? pair.logit : pair.score,
        })),
        usage: completionUsageOf(...responses.map(({ usage }) => usage)),
      }),
    };
  },
});

type Pairs = Static<typeof TextPairs> | Static<typeof QueryPairs> | Static<typeof ItemPairs> | Static<typeof DataPairs>;

function sides(body: Pairs) {
  if ("text_1" in body) return { names: { query: "text_1", documents: "text_2" }, first: body.text_1, second: body.text_2 };
  if ("data_1" in body) return { names: { query: "data_1", documents: "data_2" }, first: body.data_1, second: body.data_2 };
  if ("items" in body) return { names: { query: "queries", documents: "items" }, first: body.queries, second: body.items };
  return { names: { query: "queries", documents: "documents" }, first: body.queries, second: body.documents };
}

function list(contents: ContentInput | ContentInput[]): ContentInput[] {
  return Array.isArray(contents) ? contents : asList(contents);
}

interface Group {
  readonly query: SentContent;
  /** Indices of the pairs. */
  readonly pairs: number[];
}

/** Groups the pairs by query: the pairs of a group are scored in one request. */
function byQuery(queries: readonly SentContent[]): Group[] {
  const known = { text: new Map<string, Group>(), image: new Map<string, Group>() };
  const groups: Group[] = [];
  for (const [index, query] of queries.entries()) {
    const [kind, key] = typeof query === "string" ? [known.text, query] : [known.image, query.image.data];
    const group = kind.get(key);
    if (group) {
      group.pairs.push(index);
      continue;
    }
    const added = { query, pairs: [index] };
    kind.set(key, added);
    groups.push(added);
  }
  return groups;
}

/** The results of all pairs, in the order in which the pairs came. */
function inOrder(groups: readonly Group[], responses: readonly RerankResponse<Content>[]): RankedDocument<Content>[] {
  const scored = responses.flatMap(({ results }, group) =>
    results.map((result) => ({ pair: groups[group]?.pairs[result.index] ?? -1, result })),
  );
  return scored.sort((a, b) => a.pair - b.pair).map(({ result }) => result);
}
