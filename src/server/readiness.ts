/**
 * Whether a balancer should send requests here: scoring works, and the server does not drain. Load is no reason against it, because
 * replicas under load would all leave the balancer together. While pairs wait, the engine's progress is the proof. An idle engine
 * scores a pair.
 */

import { RerankError } from "../errors.js";
import type { Reranker } from "../reranker.js";
import type { ServerContext } from "./context.js";
import { tinyScore } from "./tiny-score.js";

/** Probes share one score a second. */
const cacheMs = 1000;

/** The check rejects with the reason why no requests should come. */
export function readinessCheck(context: ServerContext): () => Promise<void> {
  let latest: { readonly at: number; readonly result: Promise<void> } | undefined;
  return async () => {
    const { state } = context;
    if (state.status === "draining") throw new RerankError("draining", "the server is shutting down");
    if (state.status === "failed") throw new RerankError("engine_error", state.reason);
    const reranker = context.lifecycle.reranker();
    // The engine makes progress, or the state would be `failed`.
    if (reranker.stats().pairsQueued > 0) return;
    const now = performance.now();
    if (!latest || now - latest.at > cacheMs) {
      const score = tinyScore(reranker, context.health, context.options.requestTimeoutMs);
      latest = { at: now, result: unlessLoaded(reranker, score) };
    }
    await latest.result;
  };
}

/** Requests beside the tiny score may take its place in the queue, or its time. The engine works all the same. */
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
