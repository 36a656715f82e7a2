/** How many documents one request may have. */

import type { Limits } from "../types.js";

/** Where the load options do not say: in the library and the service's own dialect, and in the dialects of other services. */
export const defaultMaxDocuments = { own: 100, others: 1000 } as const;

/** A request of more pairs than the whole queue takes could never be served: it is too large, not too early. */
export function documentLimit(
  { maxDocuments, maxQueuedPairs }: Pick<Limits, "maxDocuments" | "maxQueuedPairs">,
  otherwise: number = defaultMaxDocuments.own,
): number {
  return Math.min(maxDocuments ?? otherwise, maxQueuedPairs);
}
