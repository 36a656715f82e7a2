/** Scores one short pair, to see whether the engine works. */

import { RerankError } from "../errors.js";
import type { Reranker } from "../reranker.js";
import type { EngineHealth } from "./engine-health.js";

let probes = 0;

/** Reports the outcome to the engine's health, and rejects when there is no score. */
export async function tinyScore(reranker: Reranker, health: EngineHealth, timeoutMs: number): Promise<void> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(new RerankError("timeout", "scoring takes too long")), timeoutMs);
  try {
    health.starting(reranker.stats());
    // A new document each time: a known pair would come from the score cache.
    await reranker.score({ query: "ready", documents: [`ready ${probes++}`], signal: timeout.signal });
    health.succeeded();
  } catch (error) {
    health.failed(error);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
