/** Trying again what may work later, ever more patiently, or as patiently as the server asks. */

import { setTimeout as delay } from "node:timers/promises";
import type { RerankError } from "../errors.js";

export interface Patience {
  /** Tries without any progress before giving up. */
  readonly attempts: number;
  /** Before the second try; doubles from try to try. */
  readonly firstDelayMs: number;
  /** The longest that a server's Retry-After is waited for; longer ones end it. */
  readonly longestDelayMs: number;
  /** The longest that one answer of the hub's API may take, from the connection to its last byte. Content has no such limit. */
  readonly answerMs: number;
}

export const networkPatience: Patience = { attempts: 5, firstDelayMs: 500, longestDelayMs: 120_000, answerMs: 60_000 };

/** Where the files are in the cache: a network that drops packets must not hold up every start. */
export function briefly(patience: Patience): Patience {
  return { ...patience, attempts: 1, answerMs: Math.min(patience.answerMs, 5000) };
}

export interface Persistence {
  readonly patience: Patience;
  readonly signal?: AbortSignal | undefined;
  /** Told in one line before a failed try is repeated. */
  readonly onNotice: (notice: string) => void;
}

/** A failure that may pass. */
export class Passing extends Error {
  readonly error: RerankError;
  /** What Retry-After said, if it was there. */
  readonly afterMs: number | undefined;
  /** Fewer tries than the patience has, for what rarely passes soon. */
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
 * Calls `action` until it returns. It is told to say when it got somewhere: then the count of tries begins anew. Throws what
 * is not Passing at once, and a Passing's error when patience is at its end.
 */
export async function retrying<Value>(
  { patience, signal, onNotice }: Persistence,
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
      onNotice(`${failure.message}; trying again in ${(wait / 1000).toFixed(1)} s`);
      await delay(wait, undefined, signal && { signal });
    }
  }
}

/** Retry-After is seconds or a date. */
export function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
