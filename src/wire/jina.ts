/** Jina's dialect, which is also Cohere's first version. An answer has the fields of both. */

import { randomUUID } from "node:crypto";
import { Type } from "typebox";
import { CohereMeta, cohereMeta } from "./cohere-meta.js";
import { ContentInput, DocumentsInput, documentContents, exampleImage, queryContent } from "./contents.js";
import { dialect, single } from "./dialect.js";
import { sentDocuments } from "./echo.js";
import { rankingFields } from "./ranking-fields.js";
import { ranked, readOptions } from "./ranking-options.js";
import { CompletionUsage, completionUsageOf, Passage } from "./schemas.js";

export const JinaRequest = Type.Object(
  {
    model: Type.Optional(Type.String({ description: "any name is accepted" })),
    query: ContentInput,
    documents: DocumentsInput,
    ...rankingFields,
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
      {
        model: "jina-reranker-m0",
        query: { text: "a chart of sales" },
        documents: [{ image: exampleImage }, { text: "Sales fell." }],
      },
    ],
  },
);

export const JinaResponse = Type.Object(
  {
    id: Type.String({ format: "uuid" }),
    model: Type.String(),
    object: Type.Literal("list"),
    usage: CompletionUsage,
    results: Type.Array(
      Type.Object({
        index: Type.Integer({ description: "position in the request" }),
        relevance_score: Type.Number({ description: "0 to 1, or a logit" }),
        passage: Type.Optional(Passage),
        document: Type.Optional(
          Type.Object(
            { text: Type.Optional(Type.String()) },
            { additionalProperties: true, description: '{"text"}, or the object that the document came as; only when asked for' },
          ),
        ),
      }),
    ),
    meta: Type.Object({
      ...CohereMeta.properties,
      // SiliconFlow speaks this dialect, and its clients read the usage here.
      tokens: Type.Object({ input_tokens: Type.Integer(), output_tokens: Type.Integer() }),
    }),
  },
  { description: "the results, highest score first" },
);

export const jina = dialect({
  request: JinaRequest,
  response: JinaResponse,
  read(body) {
    const options = readOptions(body);
    const documents = documentContents(body.documents, "documents", options.rankFields);
    const sent = body.return_documents ? sentDocuments(body.documents) : [];
    return single({ query: queryContent(body.query), documents, options }, ({ results, usage }, model) => ({
      id: randomUUID(),
      model,
      object: "list",
      usage: completionUsageOf(usage),
      results: ranked(results, options).map(({ index, score, passage }) => ({
        index,
        relevance_score: score,
        ...(passage && { passage }),
        ...echoed(sent[index]),
      })),
      meta: { ...cohereMeta("1", documents.length), tokens: { input_tokens: usage.promptTokens, output_tokens: 0 } },
    }));
  },
});

function echoed(document: string | object | undefined): { document?: object } {
  if (document === undefined) return {};
  return { document: typeof document === "string" ? { text: document } : document };
}
