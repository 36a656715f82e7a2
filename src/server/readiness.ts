/** Whether scoring works, found out by scoring. */

import type { Reranker } from "../reranker.js";
import type { ServerContext } from "./state.js";

/** Probes share one score a second. */
const cacheMs = 1000;

/** Rejects with what a scoring route would answer with. */
export function readinessCheck(context: ServerContext): () => Promise<void> {
  let latest: { readonly at: number; readonly result: Promise<void> } | undefined;
  return async () => {
    const reranker = context.reranker();
    const now = performance.now();
    if (!latest || now - latest.at > cacheMs) latest = { at: now, result: tinyScore(context, reranker) };
    await latest.result;
  };
}

let probes = 0;

/** One short pair; the engine's health learns what came of it. */
export async function tinyScore({ options, health }: ServerContext, reranker: Reranker): Promise<void> {
  const signal = AbortSignal.timeout(options.requestTimeoutMs);
  try {
    // Another document each time: one that was scored before would be answered without computing anything.
    await reranker.score({ query: "ready", documents: [`ready ${probes++}`], signal });
    health.succeeded();
  } catch (error) {
    health.failed(error);
    throw error;
  }
}
