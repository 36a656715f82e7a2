/**
 * One log line a request, written when it is over, the same in the metrics, and the count of requests in flight. Lines hold
 * numbers and names of routes, never a query, a document or a key.
 */

import { randomUUID } from "node:crypto";
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { errorTable } from "../../errors.js";
import type { Reranker } from "../../reranker.js";
import type { Timings } from "../../types.js";
import type { Claim } from "../admission.js";
import { onResponseEnd } from "../disconnect.js";
import type { ServerContext } from "../context.js";
import { routeOf, unknownRoute } from "./route.js";

/** A scoring request: whom it scores with, found when it came in, and what it noted about its work. */
export interface Work {
  readonly reranker: Reranker;
  readonly documents?: number;
  /** What it asked for, once its body was read. */
  readonly claim?: Claim;
  readonly tokens?: number;
  readonly timings?: Timings;
}

declare module "fastify" {
  interface FastifyRequest {
    work: Work | null;
  }
}

export function registerAccessLog(fastify: FastifyInstance, context: ServerContext): void {
  fastify.decorateRequest("work", null);
  fastify.addHook("onRequest", async (request, reply) => recordRequest(context, request, reply));
  fastify.addHook("onSend", async (_request, reply, payload) => {
    if (context.state.status === "draining") reply.header("connection", "close");
    return payload;
  });
}

/** Once for each request that has a reply, be it to a route or to a path that is none. */
export function recordRequest(context: ServerContext, request: FastifyRequest, reply: FastifyReply): void {
  const startedAt = performance.now();
  context.requestStarted();
  reply.header("x-request-id", request.id);
  onResponseEnd(reply.raw, (sent) => {
    context.requestEnded();
    if (!sent) context.counters.clientClosed += 1;
    const status = sent ? reply.statusCode : errorTable.client_closed.status;
    const totalMs = performance.now() - startedAt;
    context.metrics.requestEnded(routeOf(request), status, totalMs / 1000);
    write(request, status, totalMs);
  });
}

export const requestIdLabel = "request_id";

export function newRequestId(): string {
  return randomUUID();
}

/** What was refused before it was a request: when it began is not known. */
export function recordRefusal(
  { counters, metrics }: ServerContext,
  log: FastifyBaseLogger,
  { id, status }: { readonly id: string; readonly status: number },
): void {
  counters.requests += 1;
  metrics.requestRefused(unknownRoute, status);
  log.info({ [requestIdLabel]: id, route: unknownRoute, status }, "request");
}

/** Milliseconds to the microsecond. */
function milliseconds(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function write(request: FastifyRequest, status: number, totalMs: number): void {
  const { work } = request;
  const fields = {
    method: request.method,
    route: routeOf(request),
    status,
    ...(request.caller && { key: request.caller }),
    ...(work?.documents !== undefined && { documents: work.documents }),
    ...(work?.tokens !== undefined && { tokens: work.tokens }),
    ...(work?.timings && {
      tokens_computed: work.timings.computedTokens,
      tokens_reused: work.timings.reusedTokens,
      queue_ms: milliseconds(work.timings.queueMs),
      compute_ms: milliseconds(work.timings.computeMs),
    }),
    total_ms: milliseconds(totalMs),
  };
  // Probes come every few seconds and say nothing while all is well.
  const quiet = request.routeOptions.config?.quiet === true && status < 400;
  if (quiet) request.log.debug(fields, "request");
  else request.log.info(fields, "request");
}

/** `Server-Timing`, which browsers and curl show: durations in milliseconds, and how many tokens were computed and reused. */
export function serverTiming({ queueMs, tokenizeMs, computeMs, totalMs, computedTokens, reusedTokens }: Timings): string {
  const durations = Object.entries({ queue: queueMs, tokenize: tokenizeMs, compute: computeMs, total: totalMs });
  const tokens = Object.entries({ computed: computedTokens, reused: reusedTokens });
  return [
    ...durations.map(([name, duration]) => `${name};dur=${milliseconds(duration)}`),
    ...tokens.map(([name, count]) => `${name};desc="${count}"`),
  ].join(", ");
}
