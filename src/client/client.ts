/** A client of the HTTP service over fetch, for Node 20 and browsers alike: nothing of Node is imported here. */

import { baseAddress } from "./address.js";
import { type Received, readHealth, readRerankAnswer } from "./answers.js";
import { failureOf, RerankClientError } from "./error.js";
import { retrying, type Wait, waitForTimer } from "./retry.js";
import type { Health, RerankAnswer, RerankRequest } from "./types.js";

export interface RerankClientOptions {
  /** Where the service is, with a path if it has one there: `http://localhost:8081`, `https://example.org/rerank-service`. */
  baseUrl: string | URL;
  /** Sent as `Authorization: Bearer …`. */
  apiKey?: string | undefined;
  /** Tries after the first one, when the service is full (429), starting or stopping (503), or out of reach; default 3. */
  retries?: number;
  /** Default: the global one. */
  fetch?: typeof globalThis.fetch;
  /** How the time between two tries passes; default: a timer. Rejects when the signal aborts. */
  wait?: Wait;
}

export class RerankClient {
  readonly #baseUrl: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #fetch: typeof globalThis.fetch;
  readonly #retries: number;
  readonly #wait: Wait;

  constructor({ baseUrl, apiKey, retries = 3, fetch, wait = waitForTimer }: RerankClientOptions) {
    if (!Number.isInteger(retries) || retries < 0) {
      throw new TypeError(`retries: expected a whole number of at least 0, got ${retries}`);
    }
    this.#baseUrl = baseAddress(baseUrl);
    this.#headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
    // Browsers insist that fetch is called on their global object.
    this.#fetch = fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#retries = retries;
    this.#wait = wait;
  }

  /**
   * Ranks the documents. Rejects with a RerankClientError, or with the signal's reason when that aborts; for a time limit
   * over all tries together pass `AbortSignal.timeout(…)`.
   */
  async rerank({ query, documents, topK, signal }: RerankRequest): Promise<RerankAnswer> {
    // The caller has the documents already: their way back is saved.
    const body = JSON.stringify({ query, documents, return_documents: false, ...(topK !== undefined && { top_k: topK }) });
    const headers = { ...this.#headers, "content-type": "application/json" };
    const received = await retrying({ retries: this.#retries, wait: this.#wait, signal }, async () => {
      const answer = await this.#send("/rerank", { method: "POST", headers, body, signal: signal ?? null });
      if (!answer.response.ok) throw failureOf(answer.response, answer.body);
      return answer;
    });
    return readRerankAnswer(received, documents);
  }

  /** How the service is now, also when it cannot rank yet; asked once. Rejects when no service answers. */
  async health({ signal }: { signal?: AbortSignal } = {}): Promise<Health> {
    const { response, body } = await this.#send("/health", { headers: this.#headers, signal: signal ?? null });
    const health = readHealth(body);
    if (!health) throw failureOf(response, body);
    return health;
  }

  async #send(path: string, init: RequestInit): Promise<Received> {
    const call = this.#fetch;
    try {
      const response = await call(this.#baseUrl + path, init);
      return { response, body: await response.text() };
    } catch (error) {
      init.signal?.throwIfAborted();
      throw new RerankClientError("network_error", `no answer from ${this.#baseUrl}`, { cause: error });
    }
  }
}
