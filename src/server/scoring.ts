/**
 * The one path from a route to the reranker: every scoring route comes through here, so what holds for one holds for all.
 * A request may carry several queries, each with documents of its own; all of them are scored or none.
 */

import type { FastifyReply, FastifyRequest } from "fastify";
import type { RerankRequest, RerankResponse, Timings } from "../types.js";
import { serverTiming } from "./access-log.js";
import { requestSignal } from "./disconnect.js";
import type { ServerContext } from "./state.js";

/** `onRequest` of a scoring route: refuses before the body is read; what came in before the server drained is answered. */
export function scoringGate(context: ServerContext): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    request.work = { reranker: context.reranker() };
  };
}

type Request = Omit<RerankRequest, "signal">;

/** As runScoring, for the routes with one query. */
export async function rerankOne(
  request: FastifyRequest,
  reply: FastifyReply,
  context: ServerContext,
  job: Request,
): Promise<RerankResponse> {
  const [response] = await runScoring(request, reply, context, [job]);
  if (!response) throw new Error("one request was scored and none was answered");
  return response;
}

/** The answers, in the order of the requests. Sets `Server-Timing` and notes for the log what was done. */
export async function runScoring(
  request: FastifyRequest,
  reply: FastifyReply,
  context: ServerContext,
  requests: readonly Request[],
): Promise<RerankResponse[]> {
  const { reranker } = request.work ?? { reranker: context.reranker() };
  const work = { reranker, documents: requests.reduce((sum, { documents }) => sum + documents.length, 0) };
  request.work = work;
  using ended = requestSignal(reply.raw, context.options.requestTimeoutMs);
  const responses = await Promise.all(requests.map((one) => reranker.rerank({ ...one, signal: ended.signal })));
  const timings = together(responses.map((response) => response.timings));
  const tokens = responses.reduce((sum, { usage }) => sum + usage.totalTokens, 0);
  request.work = { ...work, tokens, timings };
  reply.header("server-timing", serverTiming(timings));
  return responses;
}

/** Requests run side by side: the time is the longest one's, the tokens are everyone's. */
function together(all: readonly Timings[]): Timings {
  const longest = (name: keyof Timings) => Math.max(...all.map((timings) => timings[name]));
  const sum = (name: keyof Timings) => all.reduce((total, timings) => total + timings[name], 0);
  return {
    queueMs: longest("queueMs"),
    tokenizeMs: longest("tokenizeMs"),
    computeMs: longest("computeMs"),
    totalMs: longest("totalMs"),
    computedTokens: sum("computedTokens"),
    reusedTokens: sum("reusedTokens"),
  };
}
