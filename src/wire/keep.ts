/** POST /v1/documents: documents that queries will come for, whose states are computed before. */

import { type Static, Type } from "typebox";
import { defaultMaxDocuments } from "../engine/limits.js";
import type { KeepRequest, KeepResponse } from "../types.js";
import { DocumentsInput, documentContents } from "./contents.js";
import { rankingFields } from "./ranking-fields.js";
import { readOptions } from "./ranking-options.js";

/** Behind requests that somebody waits for: see the field priority. */
const usualPriority = 99;

const { rank_fields, max_tokens_per_doc, truncate, truncation, truncation_direction, instruction, instruct } = rankingFields;
const { passages, max_chunks_per_doc, overlap_tokens } = rankingFields;

export const KeepBody = Type.Object(
  {
    documents: DocumentsInput,
    ...{ rank_fields, max_tokens_per_doc, truncate, truncation, truncation_direction, instruction, instruct },
    ...{ passages, max_chunks_per_doc, overlap_tokens },
    priority: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 999,
        default: usualPriority,
        description: "a lower number is served earlier while others wait",
      }),
    ),
  },
  {
    examples: [
      { documents: ["Deep learning uses neural networks with multiple layers.", { text: "The weather today is sunny." }] },
    ],
  },
);

export const KeepAnswer = Type.Object(
  {
    model: Type.String(),
    documents: Type.Integer({ description: "in the request" }),
    truncated: Type.Integer({ description: "documents that were cut to fit" }),
    stored_documents: Type.Integer({
      description:
        "documents that are in DOCUMENT_CACHE_DIR since, or too short for that; 0 where it is not set, with passages at least so many",
    }),
    tokens: Type.Integer({ description: "of all documents, with the prompt's headings" }),
    computed_tokens: Type.Integer(),
    reused_tokens: Type.Integer({ description: "of documents that were known" }),
  },
  { description: "what is known since" },
);

/** Throws invalid_request or empty_documents. */
export function readKeep(body: Static<typeof KeepBody>): Omit<KeepRequest, "signal" | "onQueue"> {
  const { scoring, rankFields } = readOptions(body);
  const { timeoutMs: _none, ...options } = scoring;
  const documents = documentContents(body.documents, "documents", rankFields);
  return { ...options, documents, priority: options.priority ?? usualPriority, maxDocuments: defaultMaxDocuments.others };
}

export function keepAnswer(
  { documents, truncated, storedDocuments, usage, timings }: KeepResponse,
  model: string,
): Static<typeof KeepAnswer> {
  return {
    ...{ model, documents, truncated },
    stored_documents: storedDocuments,
    tokens: usage.totalTokens,
    computed_tokens: timings.computedTokens,
    reused_tokens: timings.reusedTokens,
  };
}
