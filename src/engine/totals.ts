/** Puts together what several engines tell: the results of a request's parts, and statistics. Pure. */

import type { EngineStats, KeepResult, ScoreResult } from "../../binding.js";
import type { Part } from "./distribution.js";

export function sumOfStats(left: EngineStats, right: EngineStats): EngineStats {
  return {
    jobsSubmitted: left.jobsSubmitted + right.jobsSubmitted,
    jobsCompleted: left.jobsCompleted + right.jobsCompleted,
    jobsFailed: left.jobsFailed + right.jobsFailed,
    jobsCancelled: left.jobsCancelled + right.jobsCancelled,
    pairsScored: left.pairsScored + right.pairsScored,
    pairsDropped: left.pairsDropped + right.pairsDropped,
    documentsKept: left.documentsKept + right.documentsKept,
    pairsQueued: left.pairsQueued + right.pairsQueued,
    tokensQueued: left.tokensQueued + right.tokensQueued,
    workQueued: left.workQueued + right.workQueued,
    workDone: left.workDone + right.workDone,
    tokensComputed: left.tokensComputed + right.tokensComputed,
    tokensPadding: left.tokensPadding + right.tokensPadding,
    batches: left.batches + right.batches,
    tokensReused: left.tokensReused + right.tokensReused,
    pairsWarm: left.pairsWarm + right.pairsWarm,
    pairsRepeated: left.pairsRepeated + right.pairsRepeated,
    cacheBytes: left.cacheBytes + right.cacheBytes,
    cacheEntries: left.cacheEntries + right.cacheEntries,
    imagesEncoded: left.imagesEncoded + right.imagesEncoded,
    imageEncodeMs: left.imageEncodeMs + right.imageEncodeMs,
    imagesReused: left.imagesReused + right.imagesReused,
    imageCacheBytes: left.imageCacheBytes + right.imageCacheBytes,
    imageCacheEntries: left.imageCacheEntries + right.imageCacheEntries,
    documentsRestored: left.documentsRestored + right.documentsRestored,
    documentsStored: left.documentsStored + right.documentsStored,
    storeFailures: left.storeFailures + right.storeFailures,
    // They share the folder.
    storeBytes: Math.max(left.storeBytes, right.storeBytes),
  };
}

type Parts<Result> = readonly { readonly part: Part; readonly result: Result }[];

/** What the results of scoring and of keeping have in common. */
type Work = Pick<ScoreResult, keyof ScoreResult & keyof KeepResult>;

/** Parts run side by side: the times are those of the slowest part, the tokens are added. */
function mergedWork(documents: number, results: Parts<Work>): Work {
  const all = {
    promptTokens: new Uint32Array(documents),
    droppedTokens: new Uint32Array(documents),
    ...{ computedTokens: 0, reusedTokens: 0, encodedImages: 0, queueMs: 0, tokenizeMs: 0, computeMs: 0, totalMs: 0 },
  };
  for (const { part, result } of results) {
    for (const [position, index] of part.indices.entries()) {
      all.promptTokens[index] = result.promptTokens[position] ?? 0;
      all.droppedTokens[index] = result.droppedTokens[position] ?? 0;
    }
    all.computedTokens += result.computedTokens;
    all.reusedTokens += result.reusedTokens;
    all.encodedImages += result.encodedImages;
    all.queueMs = Math.max(all.queueMs, result.queueMs);
    all.tokenizeMs = Math.max(all.tokenizeMs, result.tokenizeMs);
    all.computeMs = Math.max(all.computeMs, result.computeMs);
    all.totalMs = Math.max(all.totalMs, result.totalMs);
  }
  return all;
}

export function mergedScores(documents: number, results: Parts<ScoreResult>): ScoreResult {
  const scores = new Float32Array(documents);
  const logits = new Float32Array(documents);
  for (const { part, result } of results) {
    for (const [position, index] of part.indices.entries()) {
      scores[index] = result.scores[position] ?? Number.NaN;
      logits[index] = result.logits[position] ?? Number.NaN;
    }
  }
  const unscored = results.flatMap(({ part, result }) => Array.from(result.unscored, (position) => part.indices[position] ?? 0));
  return { ...mergedWork(documents, results), scores, logits, unscored: Uint32Array.from(unscored).sort() };
}

export function mergedStates(documents: number, results: Parts<KeepResult>): KeepResult {
  const storedDocuments = results.reduce((sum, { result }) => sum + result.storedDocuments, 0);
  return { ...mergedWork(documents, results), storedDocuments };
}
