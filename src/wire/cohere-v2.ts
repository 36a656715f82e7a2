/** Cohere's second version. It has a limit for long documents and a priority, and its answers never contain documents. */

import { randomUUID } from "node:crypto";
import { Type } from "typebox";
import { CohereMeta, cohereMeta } from "./cohere-meta.js";
import { ContentInput, DocumentsInput, documentContents, queryContent } from "./contents.js";
import { dialect, single } from "./dialect.js";
import { rankingFields } from "./ranking-fields.js";
import { ranked, readOptions } from "./ranking-options.js";

export const cohereV2 = dialect({
  request: Type.Object(
    {
      model: Type.Optional(Type.String({ description: "any name is accepted" })),
      query: ContentInput,
      documents: DocumentsInput,
      ...rankingFields,
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
          relevance_score: Type.Number({ description: "0 to 1, or a logit" }),
        }),
      ),
      meta: CohereMeta,
    },
    { description: "the results, highest score first" },
  ),
  read(body) {
    const options = readOptions(body);
    const documents = documentContents(body.documents, "documents", options.rankFields);
    return single({ query: queryContent(body.query), documents, options }, ({ results }) => ({
      id: randomUUID(),
      results: ranked(results, options).map(({ index, score }) => ({ index, relevance_score: score })),
      meta: cohereMeta("2", documents.length),
    }));
  },
});
