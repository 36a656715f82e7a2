/** A client of the HTTP service over fetch, for Node and browsers. It imports nothing from Node. */

import { baseAddress } from "./address.js";
import { type Received, readHealth, readRerankAnswer } from "./answers.js";
import { written } from "./contents.js";
import { failureOf, RerankClientError } from "./error.js";
import { retrying, type Wait, waitForTimer } from "./retry.js";
import type { Content, Health, RerankAnswer, RerankRequest } from "./types.js";

export interface RerankClientOptions {
  /** The service's address, with its path if it has one: `http://localhost:8081`, `https://example.org/rerank-service`. */
  baseUrl: string | URL;
  /** Sent as `Authorization: Bearer …`. */
  apiKey?: string | undefined;
  /** Retries when the service is full (429), starting or stopping (503), or out of reach; default 3. */
  retries?: number;
  /** Default: the global fetch. */
  fetch?: typeof globalThis.fetch;
  /** Waits between two tries; default: a timer. It has to reject when the signal aborts. */
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
    // Browsers require that fetch is called on the global object.
    this.#fetch = fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#retries = retries;
    this.#wait = wait;
  }

  /**
   * Ranks the documents. Rejects with a RerankClientError, or with the signal's reason when it aborts. For a time limit over all
   * tries together pass `AbortSignal.timeout(…)`.
   */
  async rerank(request: RerankRequest): Promise<RerankAnswer>;
  async rerank<Document extends Content>(request: RerankRequest<Document>): Promise<RerankAnswer<Document>>;
  async rerank<Document extends Content>(request: RerankRequest<Document>): Promise<RerankAnswer<Document>> {
    const { query, documents, topK, minScore, instruction, passages, timeoutMs, signal } = request;
    for (const [name, value] of Object.entries({ topK, minScore, timeoutMs })) requireNumber(name, value);
    const body = JSON.stringify({
      query: written(query, "query"),
      documents: documents.map((document, index) => written(document, `documents[${index}]`)),
      // The caller has the documents, so the service need not send them back.
      return_documents: false,
      // JSON leaves out what is undefined.
      ...{ top_k: topK, min_score: minScore, instruction, passages: writtenPassages(passages), timeout_ms: timeoutMs },
    });
    const headers = { ...this.#headers, "content-type": "application/json" };
    const received = await retrying({ retries: this.#retries, wait: this.#wait, signal }, async () => {
      const answer = await this.#send("/rerank", { method: "POST", headers, body, signal: signal ?? null });
      if (!answer.response.ok) throw failureOf(answer.response, answer.body);
      return answer;
    });
    return readRerankAnswer(received, documents);
  }

  /** The service's state now. A service that cannot rank yet is an answer too. No retries: rejects when no service answers. */
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

/** JSON writes NaN as null, which the service takes for absent. */
function requireNumber(name: string, value: number | undefined): void {
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${name}: expected a number, got ${value}`);
}

function writtenPassages(passages: RerankRequest["passages"]): true | object | undefined {
  if (typeof passages !== "object") return passages;
  const { maxTokens, overlapTokens, max } = passages;
  for (const [name, value] of Object.entries({ maxTokens, overlapTokens, max })) requireNumber(`passages.${name}`, value);
  return { max_tokens: maxTokens, overlap_tokens: overlapTokens, max };
}
