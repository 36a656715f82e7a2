/** The library's answers from the engine's results. Pure. */

import type { KeepResult, ScoreResult } from "../../binding.js";
import type { KeepResponse, ScoreResponse } from "../types.js";

export function scoreResponse(result: ScoreResult, imageMs: number): ScoreResponse {
  const { scores, logits, promptTokens, droppedTokens, unscored } = result;
  return { scores, logits, unscored: [...unscored], promptTokens, droppedTokens, ...costOf(result, imageMs) };
}

export function keepResponse(result: KeepResult, imageMs: number): KeepResponse {
  const { droppedTokens, storedDocuments } = result;
  const truncated = droppedTokens.filter((dropped) => dropped > 0).length;
  return { documents: droppedTokens.length, truncated, storedDocuments, ...costOf(result, imageMs) };
}

function costOf(result: ScoreResult | KeepResult, imageMs: number): Pick<ScoreResponse, "usage" | "timings"> {
  const tokens = result.promptTokens.reduce((sum, count) => sum + count, 0);
  return {
    usage: { promptTokens: tokens, totalTokens: tokens },
    timings: {
      imageMs,
      queueMs: result.queueMs,
      tokenizeMs: result.tokenizeMs,
      computeMs: result.computeMs,
      totalMs: imageMs + result.totalMs,
      computedTokens: result.computedTokens,
      reusedTokens: result.reusedTokens,
      encodedImages: result.encodedImages,
    },
  };
}

/** Of a request whose time was over before the engine had it. */
export function unscoredResponse(documents: number, imageMs: number): ScoreResponse {
  const none = {
    scores: new Float32Array(documents).fill(Number.NaN),
    logits: new Float32Array(documents).fill(Number.NaN),
    unscored: Uint32Array.from({ length: documents }, (_, index) => index),
    promptTokens: new Uint32Array(documents),
    droppedTokens: new Uint32Array(documents),
    ...{ computedTokens: 0, reusedTokens: 0, encodedImages: 0, queueMs: 0, tokenizeMs: 0, computeMs: 0, totalMs: 0 },
  };
  return scoreResponse(none, imageMs);
}
