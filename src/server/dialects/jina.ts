/**
 * Jina's dialect, which is also Cohere's first version. Their answers differ, and every field of either is present. What
 * is not understood (`rank_fields`, `max_chunks_per_doc`) is ignored.
 */

import { randomUUID } from "node:crypto";
import { Type } from "typebox";
import { Usage, usageOf } from "../schemas.js";
import { CohereMeta, cohereMeta } from "./cohere-meta.js";
import { dialect, single, usualNames } from "./dialect.js";
import { DocumentInput, documentTexts, QueryInput, queryText, ResultCount } from "./tolerance.js";

export const JinaRequest = Type.Object(
  {
    model: Type.Optional(Type.String({ description: "any name is accepted" })),
    query: QueryInput,
    documents: Type.Array(DocumentInput),
    top_n: ResultCount,
    return_documents: Type.Optional(Type.Boolean({ default: false })),
  },
  {
    description: "Jina and Cohere v1",
    examples: [
      {
        model: "jina-reranker-m0",
        query: "What is machine learning?",
        documents: ["The weather today is sunny and warm.", "Deep learning uses neural networks with multiple layers."],
        top_n: 1,
        return_documents: true,
      },
    ],
  },
);

export const JinaResponse = Type.Object(
  {
    id: Type.String({ format: "uuid" }),
    model: Type.String(),
    object: Type.Literal("list"),
    usage: Usage,
    results: Type.Array(
      Type.Object({
        index: Type.Integer({ description: "position in the request" }),
        relevance_score: Type.Number({ description: "0 to 1" }),
        document: Type.Optional(Type.Object({ text: Type.String() }, { description: "only when asked for" })),
      }),
    ),
    meta: Type.Object({
      ...CohereMeta.properties,
      // Where clients of SiliconFlow, which speaks this dialect, look for the usage.
      tokens: Type.Object({ input_tokens: Type.Integer(), output_tokens: Type.Integer() }),
    }),
  },
  { description: "the results, highest score first" },
);

export const jina = dialect({
  request: JinaRequest,
  response: JinaResponse,
  read(body) {
    const documents = documentTexts(body.documents);
    const request = { query: queryText(body.query), documents, topK: body.top_n ?? 0 };
    const returnDocuments = body.return_documents ?? false;
    return single(request, usualNames, ({ results, usage }, model) => ({
      id: randomUUID(),
      model,
      object: "list",
      usage: usageOf(usage),
      results: results.map(({ index, score, document }) => ({
        index,
        relevance_score: score,
        ...(returnDocuments && { document: { text: document } }),
      })),
      meta: { ...cohereMeta("1", documents.length), tokens: { input_tokens: usage.promptTokens, output_tokens: 0 } },
    }));
  },
});
