/** Retries what may work later, with waits that double or that the server asks for. */

import { setTimeout as delay } from "node:timers/promises";
import type { RerankError } from "../errors.js";
import type { Logger } from "../types.js";

export interface Patience {
  /** Tries without progress before it gives up. */
  readonly attempts: number;
  /** Wait before the second try; each later wait is twice as long. */
  readonly firstDelayMs: number;
  /** Longest wait. A server that asks for a longer one in Retry-After is not tried again. */
  readonly longestDelayMs: number;
  /** Longest time for one answer of the hub's API, from the connection to the last byte. Downloads have no such limit. */
  readonly answerMs: number;
}

export const networkPatience: Patience = { attempts: 5, firstDelayMs: 500, longestDelayMs: 120_000, answerMs: 60_000 };

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
      const wait = failure.afterMs ?? Math.min(patience.firstDelayMs * 2 ** (attempt - 1), patience.longestDelayMs);
      if (attempt >= Math.min(patience.attempts, failure.attempts) || wait > patience.longestDelayMs) throw failure.error;
      logger.warn(`${failure.message}; trying again in ${(wait / 1000).toFixed(1)} s`);
      await delay(wait, undefined, signal && { signal });
    }
  }
}

/** Retry-After holds seconds or a date. */
export function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
