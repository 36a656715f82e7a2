/** Whether the engine scores: one short pair is tried. */

import { RerankError } from "../errors.js";
import type { Reranker } from "../reranker.js";
import type { EngineHealth } from "./engine-health.js";

let probes = 0;

/** One short pair; the engine's health learns what came of it. */
export async function tinyScore(reranker: Reranker, health: EngineHealth, timeoutMs: number): Promise<void> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(new RerankError("timeout", "scoring takes too long")), timeoutMs);
  try {
    health.starting(reranker.stats());
    // Another document each time: one that was scored before would be answered without computing anything.
    await reranker.score({ query: "ready", documents: [`ready ${probes++}`], signal: timeout.signal });
    health.succeeded();
  } catch (error) {
    health.failed(error);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
