/** The service's own dialect of POST /rerank. */

import { type Static, Type } from "typebox";
import type { RerankResponse } from "../../types.js";
import { Usage } from "../schemas.js";
import { DocumentInput, documentTexts, QueryInput, queryText } from "./tolerance.js";

/** What every dialect's request comes down to. */
export interface RerankJob {
  readonly query: string;
  readonly documents: readonly string[];
  /** 0 = all. */
  readonly topK: number;
  readonly returnDocuments: boolean;
}

export const NativeRequest = Type.Object({
  query: QueryInput,
  documents: Type.Array(DocumentInput),
  top_k: Type.Optional(Type.Integer({ minimum: 0, description: "how many results to return; 0, null or absent = all" })),
  return_documents: Type.Optional(Type.Boolean({ default: true })),
});

export const NativeResponse = Type.Object({
  results: Type.Array(
    Type.Object({
      index: Type.Integer({ description: "position in the request" }),
      relevance_score: Type.Number({ description: "0 to 1" }),
      document: Type.Optional(Type.String()),
      truncated: Type.Optional(Type.Boolean({ description: "true when the document's end was cut to fit the context" })),
    }),
  ),
  query: Type.String(),
  total_documents: Type.Integer(),
  returned_documents: Type.Integer(),
  model: Type.String(),
  usage: Usage,
});
export type NativeResponse = Static<typeof NativeResponse>;

export function readNative(body: Static<typeof NativeRequest>): RerankJob {
  return {
    query: queryText(body.query),
    documents: documentTexts(body.documents),
    topK: body.top_k ?? 0,
    returnDocuments: body.return_documents ?? true,
  };
}

export function writeNative(job: RerankJob, { results, usage }: Omit<RerankResponse, "timings">, model: string): NativeResponse {
  return {
    results: results.map(({ index, score, document, droppedTokens }) => ({
      index,
      relevance_score: score,
      ...(job.returnDocuments && { document }),
      ...(droppedTokens > 0 && { truncated: true }),
    })),
    query: job.query,
    total_documents: job.documents.length,
    returned_documents: results.length,
    model,
    usage: { prompt_tokens: usage.promptTokens, total_tokens: usage.totalTokens },
  };
}
