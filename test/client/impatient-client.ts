/** Helpers of the client's tests: a request, and a client whose waits are recorded instead of waited for. */

import { RerankClient, RerankClientError } from "../../src/client/index.js";
import type { Scripted } from "../support/scripted-server.js";

export const request = {
  query: "What is machine learning?",
  documents: [
    "The weather today is sunny and warm.",
    "Machine learning is a subset of artificial intelligence that enables computers to learn from data.",
    "Deep learning uses neural networks with multiple layers.",
  ],
};

/** The error that the promise rejects with. */
export const rejected = async (promise: Promise<unknown>): Promise<RerankClientError> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof RerankClientError) return error;
  throw new Error(`expected a RerankClientError, got ${String(error)}`);
};

/** An answer with one result. */
export const good: Scripted = {
  status: 200,
  body: {
    results: [{ index: 2, relevance_score: 0.5 }],
    model: "scripted",
    usage: { prompt_tokens: 7, total_tokens: 7 },
  },
};
export const refusal = (status: number, code: string, headers: Readonly<Record<string, string>> = {}): Scripted => ({
  status,
  headers,
  body: { error: { code, message: `refused: ${code}` } },
});

/** A client whose waits are recorded instead of waited for. */
export function impatient(baseUrl: string, retries?: number) {
  const waits: number[] = [];
  const client = new RerankClient({
    baseUrl,
    ...(retries !== undefined && { retries }),
    wait: async (milliseconds) => {
      waits.push(milliseconds);
    },
  });
  return { client, waits };
}
