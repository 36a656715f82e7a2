/**
 * Fields that change a ranking. They are the same in every dialect, whichever service they come from, and none is dropped in
 * silence: each is honoured or refused by name.
 */

import { type Static, Type } from "typebox";
import { kindOf, RerankError } from "../errors.js";
import type { RankedDocument, ScoreRequest } from "../types.js";

const count = "how many results to return; 0, null or absent = all; top_k and top_n mean the same";
const later = "not in this version: refused, unless it asks for nothing";

export const rankingFields = {
  top_k: Type.Optional(Type.Integer({ minimum: 0, description: count })),
  top_n: Type.Optional(Type.Integer({ minimum: 0, description: count })),
  min_score: Type.Optional(Type.Number({ description: "results below it are dropped, after top_k" })),
  rank_fields: Type.Optional(
    Type.Array(Type.String(), { description: "what is read of documents that are objects, as `name: value` lines" }),
  ),
  max_tokens_per_doc: Type.Optional(
    Type.Integer({ minimum: 1, description: "longer documents lose their end; null or absent = as long as fits CTX_SIZE" }),
  ),
  max_chunks_per_doc: Type.Optional(
    Type.Integer({ minimum: 1, description: "documents are scored whole: with more than 1, one that does not fit is an error" }),
  ),
  truncate: Type.Optional(
    Type.Boolean({ default: true, description: "false: a document that does not fit CTX_SIZE is an error, true: it is cut" }),
  ),
  truncation_direction: Type.Optional(
    Type.Union([Type.Literal("Right"), Type.Literal("Left"), Type.Literal("right"), Type.Literal("left")], {
      title: "Right or Left",
      default: "Right",
      description: "which end of a document is cut",
    }),
  ),
  priority: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 999, default: 0, description: "lower is served earlier while others wait" }),
  ),
  raw_scores: Type.Optional(Type.Boolean({ default: false, description: "the logits instead of the scores" })),
  use_activation: Type.Optional(Type.Boolean({ default: true, description: "false: the logits instead of the scores" })),
  instruction: Type.Optional(Type.Unknown({ description: later })),
  instruct: Type.Optional(Type.Unknown({ description: later })),
  passages: Type.Optional(Type.Unknown({ description: later })),
  truncate_prompt_tokens: Type.Optional(Type.Unknown({ description: later })),
};
const RankingFields = Type.Object(rankingFields);
type RankingFields = Static<typeof RankingFields>;

/** The fields, read. */
export interface RankingOptions {
  /** 0 = all. */
  readonly topK: number;
  readonly minScore: number | undefined;
  /** Logits instead of scores. */
  readonly raw: boolean;
  /** What is read of a document that is an object; none = its text, else all its text fields. */
  readonly rankFields: readonly string[];
  /** The client wants long documents scored in pieces: one that does not fit is refused. */
  readonly inPieces: boolean;
  readonly limits: Pick<ScoreRequest, "maxDocumentTokens" | "truncate" | "priority">;
}

export const plainOptions: RankingOptions = {
  ...{ topK: 0, minScore: undefined, raw: false, rankFields: [], inPieces: false, limits: {} },
};

/** Values that ask for nothing, of fields that this version cannot honour. */
const nothing: Readonly<Partial<Record<keyof RankingFields, unknown>>> = {
  instruction: "",
  instruct: "",
  passages: false,
  // vLLM's word for as long as the model's context.
  truncate_prompt_tokens: -1,
};

/** Throws invalid_request. */
export function readOptions(body: RankingFields): RankingOptions {
  for (const name of ["instruction", "instruct", "passages", "truncate_prompt_tokens"] as const) {
    const value = body[name];
    if (value !== undefined && value !== nothing[name]) {
      throw new RerankError("invalid_request", `${name}: expected nothing, got ${kindOf(value)}; this version cannot honour it`);
    }
  }
  const { truncate, truncation_direction: side, max_tokens_per_doc: maxDocumentTokens, priority } = body;
  const inPieces = body.max_chunks_per_doc !== undefined && body.max_chunks_per_doc > 1;
  const cut = side?.toLowerCase() === "left" ? ("start" as const) : ("end" as const);
  return {
    topK: topK(body),
    minScore: body.min_score,
    raw: raw(body),
    rankFields: body.rank_fields ?? [],
    inPieces,
    limits: {
      truncate: inPieces || truncate === false ? "never" : cut,
      ...(maxDocumentTokens !== undefined && { maxDocumentTokens }),
      ...(priority !== undefined && { priority }),
    },
  };
}

/** For routes that answer with every pair's score. */
export function readPairOptions(body: RankingFields): RankingOptions {
  const options = readOptions(body);
  const limit = (["top_k", "top_n", "min_score"] as const).find(
    (name) => body[name] !== undefined && (name === "min_score" || body[name] !== 0),
  );
  if (limit === undefined) return options;
  throw new RerankError(
    "invalid_request",
    `${limit}: expected nothing on this route, which answers with every pair's score, got ${kindOf(body[limit])}`,
  );
}

function topK({ top_k, top_n }: RankingFields): number {
  if (top_k !== undefined && top_n !== undefined && top_k !== top_n) {
    throw new RerankError("invalid_request", `top_k: expected the same as top_n, ${top_n}, got ${top_k}; one of them is enough`);
  }
  return top_k ?? top_n ?? 0;
}

function raw({ raw_scores, use_activation }: RankingFields): boolean {
  if (raw_scores !== undefined && raw_scores === use_activation) {
    throw new RerankError(
      "invalid_request",
      `use_activation: expected the opposite of raw_scores, ${raw_scores}, got ${use_activation}; one of them is enough`,
    );
  }
  return raw_scores ?? use_activation === false;
}

/** What to ask the reranker for: of logits all, because they can differ where scores have reached 1 and are equal. */
export function requested({ topK, raw, limits }: RankingOptions): Pick<ScoreRequest, keyof typeof limits> & { topK: number } {
  return { ...limits, topK: raw ? 0 : topK };
}

/** The results as the client wants them; `score` is the logit where it asked for that. */
export function ranked(
  results: readonly RankedDocument[],
  { topK, minScore, raw }: RankingOptions,
): Omit<RankedDocument, "logit">[] {
  const ordered = raw ? results.toSorted((a, b) => b.logit - a.logit || a.index - b.index) : results;
  return (topK > 0 ? ordered.slice(0, topK) : ordered)
    .map(({ logit, ...result }) => (raw ? { ...result, score: logit } : result))
    .filter(({ score }) => minScore === undefined || score >= minScore);
}
