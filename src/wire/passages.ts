/**
 * How a client asks for long documents to be scored in passages: with `passages`, or with `max_chunks_per_doc`, Cohere's first
 * version's, whose chunks are as long as the context.
 */

import { type Static, Type } from "typebox";
import { RerankError } from "../errors.js";
import { passageLimits } from "../passages/options.js";
import type { PassageOptions } from "../types.js";

const PassageObject = Type.Object(
  {
    max_tokens: Type.Optional(Type.Integer({ minimum: 1, default: 512, description: "tokens of a passage" })),
    overlap_tokens: Type.Optional(
      Type.Integer({ minimum: 0, default: 64, description: "tokens that a passage shares with the one before, at most" }),
    ),
    max: Type.Optional(Type.Integer({ minimum: 1, default: 10, description: "passages that are read of a document" })),
  },
  // A misspelt field would change the ranking.
  { additionalProperties: false },
);
type PassageObject = Static<typeof PassageObject>;

export const passageFields = {
  passages: Type.Optional(
    Type.Union([Type.Boolean(), PassageObject], {
      title: 'true, false or {"max_tokens", "overlap_tokens", "max"}',
      description: "a long document is scored in passages cut at sentence ends, and the best one counts",
    }),
  ),
  max_chunks_per_doc: Type.Optional(
    Type.Integer({
      minimum: 1,
      description: "with more than 1, a document that does not fit CTX_SIZE is scored in at most as many passages that do",
    }),
  ),
  overlap_tokens: Type.Optional(
    Type.Integer({
      minimum: 0,
      description: "with max_chunks_per_doc: tokens that a passage shares with the one before, at most",
    }),
  ),
};
const PassageFields = Type.Object(passageFields);

/** More than any context has: the reranker takes as many as fit. */
const asManyAsFit = 2 ** 20;

type Body = Static<typeof PassageFields> & { readonly max_tokens_per_doc?: number };

/** What is asked for, and the client's names of its parts. */
interface Asked {
  readonly options: PassageOptions;
  readonly names: { readonly passages: string; readonly overlap: string };
}

/** undefined = documents are scored whole. Throws invalid_request. */
export function readPassages(body: Body, cut: "start" | "end"): PassageOptions | undefined {
  const asked = body.passages ? inPassages(body, body.passages) : inChunks(body);
  if (!asked) return undefined;
  const { options, names } = asked;
  const { maxTokens, overlapTokens } = passageLimits(options);
  if (overlapTokens >= maxTokens) {
    throw invalid(`${names.overlap}: expected fewer than the ${maxTokens} tokens of a passage, got ${overlapTokens}`);
  }
  if (cut === "start") {
    throw invalid(`truncation_direction: expected Right beside ${names.passages}, which are cut from the start on, got Left`);
  }
  return options;
}

function inPassages(body: Body, passages: true | PassageObject): Asked {
  for (const name of ["max_chunks_per_doc", "overlap_tokens", "max_tokens_per_doc"] as const) {
    const value = body[name];
    if (value !== undefined) throw invalid(`${name}: expected nothing beside passages, which has its own limits, got ${value}`);
  }
  const { max_tokens, overlap_tokens, max } = passages === true ? {} : passages;
  return {
    options: optionsOf(max_tokens, overlap_tokens, max),
    names: { passages: "passages", overlap: "passages.overlap_tokens" },
  };
}

/** Cohere and SiliconFlow cut a document into chunks as long as the model's context, so one that fits is scored whole. */
function inChunks(body: Body): Asked | undefined {
  const { max_chunks_per_doc: chunks = 1, overlap_tokens: overlap, max_tokens_per_doc: tokens = asManyAsFit } = body;
  if (chunks === 1) return undefined;
  return { options: optionsOf(tokens, overlap, chunks), names: { passages: "max_chunks_per_doc", overlap: "overlap_tokens" } };
}

function optionsOf(maxTokens?: number, overlapTokens?: number, max?: number): PassageOptions {
  return {
    ...(maxTokens !== undefined && { maxTokens }),
    ...(overlapTokens !== undefined && { overlapTokens }),
    ...(max !== undefined && { max }),
  };
}

function invalid(message: string): RerankError {
  return new RerankError("invalid_request", message);
}
