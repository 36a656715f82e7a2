/** Retries what may work later, with waits that double or that the server asks for. */

import { setTimeout as delay } from "node:timers/promises";
import type { RerankError } from "../errors.js";
import { type Backoff, backoffMs } from "../retries/delays.js";
import type { Logger } from "../types.js";

/** A server that asks for a longer wait than the longest, in Retry-After, is not tried again. */
export interface Patience extends Backoff {
  /** Tries without progress before it gives up. */
  readonly attempts: number;
  /** Longest time for one answer of the hub's API, from the connection to the last byte. Downloads have no such limit. */
  readonly answerMs: number;
}

export const networkPatience: Patience = { attempts: 5, firstMs: 500, longestMs: 120_000, answerMs: 60_000 };

/** For a start that has the files in the cache: a network that drops packets must not delay it for minutes. */
export function briefly(patience: Patience): Patience {
  return { ...patience, attempts: 1, answerMs: Math.min(patience.answerMs, 5000) };
}

export interface Persistence {
  readonly patience: Patience;
  readonly signal?: AbortSignal | undefined;
  /** Gets one line before each retry. */
  readonly logger: Logger;
}

/** A failure that a retry may mend. */
export class Passing extends Error {
  readonly error: RerankError;
  /** Milliseconds from Retry-After; undefined = the server sent none. */
  readonly afterMs: number | undefined;
  /** Upper limit for this failure, where retries rarely help. The patience's own limit holds too. */
  readonly attempts: number;

  constructor(
    error: RerankError,
    { afterMs, attempts = Number.POSITIVE_INFINITY }: { afterMs?: number; attempts?: number } = {},
  ) {
    super(error.message, { cause: error });
    this.error = error;
    this.afterMs = afterMs;
    this.attempts = attempts;
  }
}

/**
 * Calls `action` until it returns. When `action` calls `progressed`, the count of tries starts again. Throws everything but a
 * Passing at once, and the Passing's error after the last try.
 */
export async function retrying<Value>(
  { patience, signal, logger }: Persistence,
  action: (progressed: () => void) => Promise<Value>,
): Promise<Value> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await action(() => {
        attempt = 1;
      });
    } catch (failure) {
      if (!(failure instanceof Passing)) throw failure;
      const wait = failure.afterMs ?? backoffMs(patience, attempt);
      if (attempt >= Math.min(patience.attempts, failure.attempts) || wait > patience.longestMs) throw failure.error;
      logger.warn(`${failure.message}; trying again in ${(wait / 1000).toFixed(1)} s`);
      await delay(wait, undefined, signal && { signal });
    }
  }
}
