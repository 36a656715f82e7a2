/**
 * Load of many clients. Each sends its next request when the last one is over, or a moment after a refusal, until it is told to
 * stop.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";

export interface Outcome {
  /** The request's X-Request-Id. */
  readonly id: string;
  /** performance.now() */
  readonly startedAt: number;
  /** undefined = no answer came; `error` says why. */
  readonly status: number | undefined;
  readonly retryAfter: number | undefined;
  /** Number of results in the answer. */
  readonly results: number;
  readonly error: string | undefined;
}

export interface Load {
  /** Requests that were sent, and outcomes of those that are over. */
  readonly sent: number;
  readonly outcomes: readonly Outcome[];
  /** Sends no more requests; resolves when the running ones are over. */
  stop(): Promise<readonly Outcome[]>;
}

export interface LoadOptions {
  readonly connections: number;
  /** The body of the n-th request. */
  readonly body: (n: number) => string;
  /** A request that takes longer counts as failed. */
  readonly timeoutMs: number;
  /** Called after each answer; false ends this client. */
  readonly goOn?: (outcome: Outcome) => boolean;
}

export function startLoad(url: string, { connections, body, timeoutMs, goOn = () => true }: LoadOptions): Load {
  const pool = new Pool(url, { connections, pipelining: 1, headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
  const outcomes: Outcome[] = [];
  let sent = 0;
  let stopping = false;
  const one = async (): Promise<Outcome> => {
    sent += 1;
    const base = { id: `load-${sent}`, startedAt: performance.now(), results: 0, retryAfter: undefined, error: undefined };
    const headers = { "content-type": "application/json", "x-request-id": base.id };
    try {
      const answer = await pool.request({ path: "/rerank", method: "POST", headers, body: body(sent) });
      const text = await answer.body.text();
      const retryAfter = answer.headers["retry-after"];
      const results = answer.statusCode === 200 ? text.split('"relevance_score"').length - 1 : 0;
      return {
        ...base,
        status: answer.statusCode,
        results,
        retryAfter: retryAfter === undefined ? undefined : Number(retryAfter),
      };
    } catch (error) {
      return { ...base, status: undefined, error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
    }
  };
  const client = async () => {
    while (!stopping) {
      const outcome = await one();
      outcomes.push(outcome);
      if (!goOn(outcome)) return;
      // Shorter than Retry-After, which is whole seconds. Without any pause, 200 clients would only measure the speed of
      // refusals.
      if (outcome.status === 429) await sleep(50);
    }
  };
  const clients = Promise.all(Array.from({ length: connections }, client));
  return {
    get sent() {
      return sent;
    },
    outcomes,
    async stop() {
      stopping = true;
      await clients;
      await pool.destroy();
      return outcomes;
    },
  };
}
