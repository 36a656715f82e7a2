/** Reads the fields that change a ranking. Each is honoured, or refused by name; none is silently ignored. */

import { kindOf, RerankError } from "../errors.js";
import type { Content, RankedDocument, RerankRequest } from "../types.js";
import { readPassages } from "./passages.js";
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
  /** Passages were asked for by another service's field, whose clients expect no `passage` in the answer. */
  readonly inChunks: boolean;
  readonly scoring: Pick<RerankRequest, "passages" | "instruction" | "maxDocumentTokens" | "truncate" | "priority" | "timeoutMs">;
}

export const plainOptions: RankingOptions = {
  ...{ topK: 0, minScore: undefined, raw: false, rankFields: [], inChunks: false, scoring: {} },
};

/** Fields that are refused, unless their value asks for nothing. */
const refused = [
  // vLLM's value for "as long as the model's context" is -1.
  { name: "truncate_prompt_tokens", nothing: -1, why: "this version does not support it" },
  {
    name: "timeout_ms",
    nothing: undefined,
    why: "only POST /rerank without texts, top_n and model answers with what is scored by then",
  },
] as const;

/** Throws invalid_request. */
export function readOptions(body: RankingFields): RankingOptions {
  for (const { name, nothing, why } of refused) {
    const value = body[name];
    if (value === undefined || value === nothing) continue;
    throw new RerankError("invalid_request", `${name}: expected nothing, got ${kindOf(value)}; ${why}`);
  }
  const { truncation_direction: side, max_tokens_per_doc: maxDocumentTokens, priority } = body;
  const cut = side?.toLowerCase() === "left" ? ("start" as const) : ("end" as const);
  const passages = readPassages(body, cut);
  const instruction = agreed({ instruction: body.instruction || undefined, instruct: body.instruct || undefined });
  return {
    topK: agreed({ top_n: body.top_n, top_k: body.top_k }) ?? 0,
    minScore: body.min_score,
    raw: raw(body),
    rankFields: body.rank_fields ?? [],
    inChunks: passages !== undefined && !body.passages,
    scoring: {
      truncate: agreed({ truncate: body.truncate, truncation: body.truncation }) === false ? "never" : cut,
      ...(instruction !== undefined && { instruction }),
      ...(maxDocumentTokens !== undefined && passages === undefined && { maxDocumentTokens }),
      ...(priority !== undefined && { priority }),
      ...(passages !== undefined && { passages }),
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

/** The value of fields that mean the same. Throws invalid_request when two of them differ. */
function agreed<Value>(fields: Readonly<Record<string, Value | undefined>>): Value | undefined {
  const [first, ...others] = Object.entries(fields).filter(([, value]) => value !== undefined);
  if (!first) return undefined;
  const [name, value] = first;
  const other = others.find((one) => one[1] !== value);
  if (!other) return value;
  // A client's text is not repeated.
  const values = typeof value === "string" ? "got another text" : `${value}, got ${other[1]}`;
  throw new RerankError("invalid_request", `${other[0]}: expected the value of ${name}, ${values}; leave one of them out`);
}

function raw({ raw_scores, use_activation, activation, softmax }: RankingFields): boolean {
  const activated = agreed({ use_activation, activation, softmax });
  if (raw_scores !== undefined && raw_scores === activated) {
    throw new RerankError(
      "invalid_request",
      `use_activation: expected the opposite of raw_scores, ${raw_scores}, got ${activated}; leave one of them out`,
    );
  }
  return raw_scores ?? activated === false;
}

/** Options for the reranker. With logits it is asked for all results: near 1, scores can be equal where the logits differ. */
export function requested({ topK, raw, scoring }: RankingOptions): typeof scoring & { topK: number; topN: number } {
  return { ...scoring, topK: raw ? 0 : topK, topN: topK };
}

/** Orders and limits the results as the client asked. `score` is the logit where the client asked for logits. */
export function ranked<Document extends Content>(
  results: readonly RankedDocument<Document>[],
  { topK, minScore, raw, inChunks }: RankingOptions,
): Omit<RankedDocument<Document>, "logit">[] {
  const ordered = raw ? results.toSorted((a, b) => b.logit - a.logit || a.index - b.index) : results;
  return (topK > 0 ? ordered.slice(0, topK) : ordered)
    .map(({ logit, passage, ...result }) => ({
      ...result,
      ...(raw && { score: logit }),
      ...(passage && !inChunks && { passage }),
    }))
    .filter(({ score }) => minScore === undefined || score >= minScore);
}
