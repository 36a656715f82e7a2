/** Loads the model while the service already answers: `loading` first, and then with scores or with `failed`. */

import type { FastifyBaseLogger } from "fastify";
import type { Transfer } from "../model/transfer.js";
import type { Reranker } from "../reranker.js";
import type { LoadActivity } from "../types.js";
import type { ServerContext } from "./context.js";

/** Reports a fraction from 0 to 1, and what is being done. */
export type Load = (onProgress: (fraction: number, what: Transfer | LoadActivity) => void) => Promise<Reranker>;

/** Rejects when the model cannot be loaded. A reranker that comes only after the service began to drain is closed. */
export async function loadInto({ lifecycle }: ServerContext, load: Load, log?: FastifyBaseLogger): Promise<Reranker> {
  try {
    const reranker = await load((fraction, what) => lifecycle.loading(fraction, what));
    logFailedDevices(reranker, log);
    if (!lifecycle.ready(reranker)) await reranker.close();
    return reranker;
  } catch (error) {
    lifecycle.fail(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** Until the function that it returns is called. */
export function logFailedDevices(reranker: Reranker, log?: FastifyBaseLogger): () => void {
  return reranker.onDeviceFailed(({ device, reason }) => log?.warn({ device, reason }, "a device was taken out"));
}
