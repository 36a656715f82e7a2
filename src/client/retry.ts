/** Which failures are retried, and how long to wait before it. */

import { type Backoff, backoffMs } from "../retries/delays.js";
import { RerankClientError } from "./error.js";

export type Wait = (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>;

const backoff: Backoff = { firstMs: 250, longestMs: 10_000 };
/** A longer Retry-After is not waited for; the error reports it. */
const longestRetryAfterSeconds = 60;

/**
 * Ranking changes nothing on the server, so a request may be repeated even if its outcome is unknown. With 429 and 503 the
 * service asks to come back later; 502 is a proxy that lost its server. 504 is not retried: the same work takes as long again.
 */
const passingStatuses: readonly (number | undefined)[] = [429, 502, 503];

export async function retrying<Value>(
  { retries, wait, signal }: { retries: number; wait: Wait; signal: AbortSignal | undefined },
  attempt: () => Promise<Value>,
): Promise<Value> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      const delay = error instanceof RerankClientError && failures <= retries ? delayAfter(error, failures) : undefined;
      if (delay === undefined) throw error;
      await wait(delay, signal);
    }
  }
}

/** Milliseconds to wait before the next try; undefined = no retry. */
function delayAfter({ code, status, retryAfterSeconds }: RerankClientError, failures: number): number | undefined {
  if (code !== "network_error" && !passingStatuses.includes(status)) return undefined;
  // Random, so that clients that were refused together do not come back together.
  if (retryAfterSeconds === undefined) return backoffMs(backoff, failures) * (0.5 + Math.random() / 2);
  if (retryAfterSeconds > longestRetryAfterSeconds) return undefined;
  return retryAfterSeconds * 1000 + Math.random() * backoff.firstMs;
}

export const waitForTimer: Wait = (milliseconds, signal) =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
