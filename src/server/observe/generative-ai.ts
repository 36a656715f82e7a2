/**
 * Names of OpenTelemetry's semantic conventions for generative AI (docs/gen-ai of open-telemetry/semantic-conventions-genai, all of them
 * in development). They have no operation for reranking yet: `rerank`, `gen_ai.rerank.candidate.count` and `gen_ai.rerank.top_n` are
 * those of its proposal, issue 253 there. Nothing here holds a query or a document.
 */

export const operation = "rerank";
export const provider = "jina-reranker";

/** What a scoring request asked for. */
export interface Operation {
  readonly model: string;
  readonly candidates: number;
  /** undefined = all. */
  readonly topN: number | undefined;
}

/** Tokens of all prompts, and of these, those whose state or score came from a cache. */
export interface Usage {
  readonly inputTokens: number;
  readonly cachedTokens: number;
}

/** `errorType`: an error's code, or `_OTHER`. */
export type Outcome = Usage | { readonly errorType: string };

/** Of the span `rerank {model}`. */
export function operationAttributes({ model, candidates, topN }: Operation, outcome: Outcome) {
  return {
    "gen_ai.operation.name": operation,
    "gen_ai.provider.name": provider,
    "gen_ai.request.model": model,
    "gen_ai.rerank.candidate.count": candidates,
    ...(topN !== undefined && { "gen_ai.rerank.top_n": topN }),
    ...("errorType" in outcome
      ? { "error.type": outcome.errorType }
      : {
          "gen_ai.response.model": model,
          "gen_ai.usage.input_tokens": outcome.inputTokens,
          "gen_ai.usage.cache_read.input_tokens": outcome.cachedTokens,
        }),
  };
}

/** The bounds that the conventions advise, in seconds and in tokens. */
export const durationBuckets = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
export const tokenBuckets = Array.from({ length: 14 }, (_, power) => 4 ** power);
