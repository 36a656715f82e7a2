/**
 * Whether requests may be sent here: scoring works, and the server does not drain. Load is no reason: replicas that said so
 * would leave their balancer all together. While pairs wait, the engine's own progress is the proof; an idle one is tried.
 */

import { RerankError } from "../errors.js";
import type { Reranker } from "../reranker.js";
import type { ServerContext } from "./context.js";
import { tinyScore } from "./tiny-score.js";

/** Probes share one score a second. */
const cacheMs = 1000;

/** Rejects with why no requests should come. */
export function readinessCheck(context: ServerContext): () => Promise<void> {
  let latest: { readonly at: number; readonly result: Promise<void> } | undefined;
  return async () => {
    const { state } = context;
    if (state.status === "draining") throw new RerankError("draining", "the server is shutting down");
    if (state.status === "failed") throw new RerankError("engine_error", state.reason);
    const reranker = context.lifecycle.reranker();
    // Something is scored and the engine gets on with it, or the state would be failed.
    if (reranker.stats().pairsQueued > 0) return;
    const now = performance.now();
    if (!latest || now - latest.at > cacheMs) {
      const score = tinyScore(reranker, context.health, context.options.requestTimeoutMs);
      latest = { at: now, result: unlessLoaded(reranker, score) };
    }
    await latest.result;
  };
}

/** What came in beside the tiny score may have taken its place, or its time; then the engine worked all the same. */
async function unlessLoaded(reranker: Reranker, score: Promise<void>): Promise<void> {
  const { batches } = reranker.stats();
  try {
    await score;
  } catch (error) {
    const code = error instanceof RerankError ? error.code : undefined;
    const loaded = code === "queue_full" || (code === "timeout" && reranker.stats().batches > batches);
    if (!loaded) throw error;
  }
}
