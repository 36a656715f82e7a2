/** The service's own dialect of POST /rerank. The command line reads and writes it too. */

import { type Static, Type } from "typebox";
import { defaultMaxDocuments } from "../engine/limits.js";
import type { RerankResponse } from "../types.js";
import { dialect, single } from "./dialect.js";
import { type RankingOptions, ranked, rankingFields, readOptions } from "./ranking-options.js";
import { Usage, usageOf } from "./schemas.js";
import { DocumentsInput, documentTexts, queryText, TextInput } from "./texts.js";

/** A request that was read. */
export interface RerankJob {
  readonly query: string;
  readonly documents: readonly string[];
  readonly options: RankingOptions;
  readonly returnDocuments: boolean;
}

export const NativeRequest = Type.Object(
  {
    query: TextInput,
    documents: DocumentsInput,
    ...rankingFields,
    return_documents: Type.Optional(Type.Boolean({ default: true })),
  },
  {
    description: "the service's own dialect",
    examples: [
      {
        query: "What is machine learning?",
        documents: [
          "Machine learning is a subset of artificial intelligence that enables computers to learn from data.",
          "The weather today is sunny and warm.",
          "Deep learning uses neural networks with multiple layers.",
        ],
        top_k: 2,
      },
    ],
  },
);

export const NativeResponse = Type.Object(
  {
    results: Type.Array(
      Type.Object({
        index: Type.Integer({ description: "position in the request" }),
        relevance_score: Type.Number({ description: "0 to 1, or a logit" }),
        document: Type.Optional(Type.String()),
        truncated: Type.Optional(Type.Boolean({ description: "true when the document was cut to fit the context" })),
      }),
    ),
    query: Type.String(),
    total_documents: Type.Integer(),
    returned_documents: Type.Integer(),
    model: Type.String(),
    usage: Usage,
  },
  { description: "the results, highest score first" },
);
export type NativeResponse = Static<typeof NativeResponse>;

export function readNative(body: Static<typeof NativeRequest>): RerankJob {
  const options = readOptions(body);
  return {
    query: queryText(body.query),
    documents: documentTexts(body.documents, "documents", options.rankFields),
    options,
    returnDocuments: body.return_documents ?? true,
  };
}

export function writeNative(job: RerankJob, { results, usage }: Omit<RerankResponse, "timings">, model: string): NativeResponse {
  const wanted = ranked(results, job.options);
  return {
    results: wanted.map(({ index, score, document, droppedTokens }) => ({
      index,
      relevance_score: score,
      ...(job.returnDocuments && { document }),
      ...(droppedTokens > 0 && { truncated: true }),
    })),
    query: job.query,
    total_documents: job.documents.length,
    returned_documents: wanted.length,
    model,
    usage: usageOf(usage),
  };
}

export const native = dialect({
  request: NativeRequest,
  response: NativeResponse,
  read(body) {
    const job = readNative(body);
    return single(job, (response, model) => writeNative(job, response, model), { maxDocuments: defaultMaxDocuments.own });
  },
});
