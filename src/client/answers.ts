/** Reads the service's answers into the client's types. An answer of another shape is an error. */

import { redirectedTo } from "./address.js";
import { RerankClientError, redirected } from "./error.js";
import { member, parseJson } from "./json.js";
import type { Content, Health, RankedDocument, RerankAnswer, ServerTimings } from "./types.js";

/** An answer with its complete body. */
export interface Received {
  readonly response: Response;
  readonly body: string;
}

export function readRerankAnswer<Document extends Content>(
  { response, body }: Received,
  documents: readonly Document[],
): RerankAnswer<Document> {
  const answer = parseJson(body);
  const results = member(answer, "results");
  const unscored = member(answer, "unscored");
  const model = member(answer, "model");
  const promptTokens = member(member(answer, "usage"), "prompt_tokens");
  const totalTokens = member(member(answer, "usage"), "total_tokens");
  if (
    !Array.isArray(results) ||
    typeof model !== "string" ||
    typeof promptTokens !== "number" ||
    typeof totalTokens !== "number"
  ) {
    throw unexpected(response, "no ranking");
  }
  const timings = readTimings(response.headers.get("server-timing"));
  const requestId = response.headers.get("x-request-id");
  return {
    results: results.map((result) => readResult(response, result, documents)),
    ...(Array.isArray(unscored) && { unscored: unscored.map(Number) }),
    model,
    usage: { promptTokens, totalTokens },
    ...(timings && { timings }),
    ...(requestId !== null && { requestId }),
  };
}

function readResult<Document extends Content>(
  response: Response,
  result: unknown,
  documents: readonly Document[],
): RankedDocument<Document> {
  const index = member(result, "index");
  const score = member(result, "relevance_score");
  const document = typeof index === "number" ? documents[index] : undefined;
  if (typeof index !== "number" || typeof score !== "number" || document === undefined) {
    throw unexpected(response, "a result for none of the request's documents");
  }
  const passage = passageOf(member(result, "passage"));
  return { index, score, document, ...(passage && { passage }), truncated: member(result, "truncated") === true };
}

function passageOf(passage: unknown): RankedDocument["passage"] {
  const [text, start, end] = ["text", "start", "end"].map((name) => member(passage, name));
  if (typeof text !== "string" || typeof start !== "number" || typeof end !== "number") return undefined;
  return { text, start, end };
}

/** `queue;dur=0.1, compute;dur=12.5, …`, milliseconds. */
function readTimings(header: string | null): ServerTimings | undefined {
  if (header === null) return undefined;
  const durations = new Map(
    [...header.matchAll(/([\w-]+)\s*;\s*dur=([\d.]+)/g)].map(([, name, duration]) => [name, Number(duration)]),
  );
  const [queueMs, tokenizeMs, computeMs, totalMs] = ["queue", "tokenize", "compute", "total"].map((name) => durations.get(name));
  if (queueMs === undefined || tokenizeMs === undefined || computeMs === undefined || totalMs === undefined) return undefined;
  return { queueMs, tokenizeMs, computeMs, totalMs };
}

/** Undefined when the body is not an answer of /health. */
export function readHealth(body: string): Health | undefined {
  const health = parseJson(body);
  const status = member(health, "status");
  const model = member(health, "model");
  const uptimeSeconds = member(health, "uptime_s");
  if (typeof model !== "string" || typeof uptimeSeconds !== "number") return undefined;
  if (status === "ok") {
    const device = member(health, "device");
    return typeof device === "string" ? { status, model, device, uptimeSeconds } : undefined;
  }
  const reason = member(health, "reason");
  if ((status !== "loading" && status !== "draining" && status !== "failed") || typeof reason !== "string") return undefined;
  const progress = member(health, "progress");
  return { status, reason, model, uptimeSeconds, ...(typeof progress === "number" && { progress }) };
}

function unexpected(response: Response, what: string): RerankClientError {
  const details = { status: response.status, requestId: response.headers.get("x-request-id") ?? undefined };
  const place = redirectedTo(response);
  if (place !== undefined) return redirected(place, details);
  return new RerankClientError("unexpected_answer", `status ${response.status} with ${what}: is this the service?`, details);
}
