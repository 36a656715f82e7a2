/** Cohere's second version: limits for long documents, a priority, and never documents in the answer. */

import { randomUUID } from "node:crypto";
import { Type } from "typebox";
import { CohereMeta, cohereMeta } from "./cohere-meta.js";
import { dialect, single, usualNames } from "./dialect.js";
import { DocumentInput, documentTexts, QueryInput, queryText, ResultCount } from "./tolerance.js";

export const cohereV2 = dialect({
  request: Type.Object(
    {
      model: Type.Optional(Type.String({ description: "any name is accepted" })),
      query: QueryInput,
      documents: Type.Array(DocumentInput),
      top_n: ResultCount,
      max_tokens_per_doc: Type.Optional(
        Type.Integer({ minimum: 1, description: "longer documents lose their end; null or absent = as long as fits CTX_SIZE" }),
      ),
      priority: Type.Optional(
        Type.Integer({ minimum: 0, maximum: 999, default: 0, description: "lower is served earlier while others wait" }),
      ),
    },
    {
      description: "Cohere v2",
      examples: [
        {
          model: "rerank-v3.5",
          query: "What is machine learning?",
          documents: ["The weather today is sunny and warm.", "Deep learning uses neural networks with multiple layers."],
          top_n: 1,
        },
      ],
    },
  ),
  response: Type.Object(
    {
      id: Type.String({ format: "uuid" }),
      results: Type.Array(
        Type.Object({
          index: Type.Integer({ description: "position in the request" }),
          relevance_score: Type.Number({ description: "0 to 1" }),
        }),
      ),
      meta: CohereMeta,
    },
    { description: "the results, highest score first" },
  ),
  read(body) {
    const documents = documentTexts(body.documents);
    const { max_tokens_per_doc: maxDocumentTokens, priority = 0 } = body;
    const request = {
      query: queryText(body.query),
      documents,
      topK: body.top_n ?? 0,
      priority,
      ...(maxDocumentTokens !== undefined && { maxDocumentTokens }),
    };
    return single(request, usualNames, ({ results }) => ({
      id: randomUUID(),
      results: results.map(({ index, score }) => ({ index, relevance_score: score })),
      meta: cohereMeta("2", documents.length),
    }));
  },
});
