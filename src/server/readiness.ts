/** Whether scoring works, found out by scoring. */

import type { ServerContext } from "./state.js";

/** Probes share one score a second. */
const cacheMs = 1000;

/** Rejects with what a scoring route would answer with. */
export function readinessCheck(context: ServerContext): () => Promise<void> {
  // Another document each time: one that was scored before would be answered without computing anything.
  let probes = 0;
  let latest: { readonly at: number; readonly result: Promise<void> } | undefined;
  return async () => {
    const reranker = context.reranker();
    const now = performance.now();
    if (!latest || now - latest.at > cacheMs) {
      const signal = AbortSignal.timeout(context.options.requestTimeoutMs);
      const result = reranker.score({ query: "ready", documents: [`ready ${probes++}`], signal }).then(() => undefined);
      latest = { at: now, result };
    }
    await latest.result;
  };
}
