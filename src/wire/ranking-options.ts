/** Reads the fields that change a ranking. Each is honoured, or refused by name; none is silently ignored. */

import { kindOf, RerankError } from "../errors.js";
import type { Content, RankedDocument, ScoreRequest } from "../types.js";
import type { RankingFields } from "./ranking-fields.js";

/** The values of these fields. */
export interface RankingOptions {
  /** 0 = all. */
  readonly topK: number;
  readonly minScore: number | undefined;
  /** Logits instead of scores. */
  readonly raw: boolean;
  /** The fields that are read of documents that are objects; empty = `text` or `content`, else all text fields. */
  readonly rankFields: readonly string[];
  /** The client asked for long documents to be scored in chunks (max_chunks_per_doc > 1), so one that does not fit is refused. */
  readonly inChunks: boolean;
  readonly scoring: Pick<ScoreRequest, "instruction" | "maxDocumentTokens" | "truncate" | "priority">;
}

export const plainOptions: RankingOptions = {
  ...{ topK: 0, minScore: undefined, raw: false, rankFields: [], inChunks: false, scoring: {} },
};

/** The values that ask for nothing, for the fields that this version does not support. */
const nothing: Readonly<Partial<Record<keyof RankingFields, unknown>>> = {
  passages: false,
  // vLLM's value for "as long as the model's context".
  truncate_prompt_tokens: -1,
};

/** Throws invalid_request. */
export function readOptions(body: RankingFields): RankingOptions {
  for (const name of ["passages", "truncate_prompt_tokens"] as const) {
    const value = body[name];
    if (value !== undefined && value !== nothing[name]) {
      throw new RerankError(
        "invalid_request",
        `${name}: expected nothing, got ${kindOf(value)}; this version does not support it`,
      );
    }
  }
  const { truncate, truncation_direction: side, max_tokens_per_doc: maxDocumentTokens, priority } = body;
  const inChunks = body.max_chunks_per_doc !== undefined && body.max_chunks_per_doc > 1;
  const line = instruction(body);
  const cut = side?.toLowerCase() === "left" ? ("start" as const) : ("end" as const);
  return {
    topK: topK(body),
    minScore: body.min_score,
    raw: raw(body),
    rankFields: body.rank_fields ?? [],
    inChunks,
    scoring: {
      truncate: inChunks || truncate === false ? "never" : cut,
      ...(line !== "" && { instruction: line }),
      ...(maxDocumentTokens !== undefined && { maxDocumentTokens }),
      ...(priority !== undefined && { priority }),
    },
  };
}

/** For routes that answer with every pair's score: also refuses the fields that limit the results. */
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
    throw new RerankError("invalid_request", `top_k: expected the value of top_n, ${top_n}, got ${top_k}; leave one of them out`);
  }
  return top_k ?? top_n ?? 0;
}

function instruction({ instruction = "", instruct = "" }: RankingFields): string {
  if (instruction !== "" && instruct !== "" && instruction !== instruct) {
    const message = "instruct: expected the same as instruction, got another text; leave one of them out";
    throw new RerankError("invalid_request", message);
  }
  return instruction || instruct;
}

function raw({ raw_scores, use_activation }: RankingFields): boolean {
  if (raw_scores !== undefined && raw_scores === use_activation) {
    throw new RerankError(
      "invalid_request",
      `use_activation: expected the opposite of raw_scores, ${raw_scores}, got ${use_activation}; leave one of them out`,
    );
  }
  return raw_scores ?? use_activation === false;
}

/** Options for the reranker. With logits it is asked for all results: near 1, scores can be equal where the logits differ. */
export function requested({ topK, raw, scoring }: RankingOptions): Pick<ScoreRequest, keyof typeof scoring> & { topK: number } {
  return { ...scoring, topK: raw ? 0 : topK };
}

/** Orders and limits the results as the client asked. `score` is the logit where the client asked for logits. */
export function ranked<Document extends Content>(
  results: readonly RankedDocument<Document>[],
  { topK, minScore, raw }: RankingOptions,
): Omit<RankedDocument<Document>, "logit">[] {
  const ordered = raw ? results.toSorted((a, b) => b.logit - a.logit || a.index - b.index) : results;
  return (topK > 0 ? ordered.slice(0, topK) : ordered)
    .map(({ logit, ...result }) => (raw ? { ...result, score: logit } : result))
    .filter(({ score }) => minScore === undefined || score >= minScore);
}
