/**
 * One log line a request, written when its response is closed, and the count of requests in flight. Lines hold numbers and
 * names of routes, never a query or a document.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { errorTable } from "../errors.js";
import type { Reranker } from "../reranker.js";
import type { Timings } from "../types.js";
import type { ServerContext } from "./state.js";

/** A scoring request: whom it scores with, found when it came in, and what it noted about its work. */
export interface Work {
  readonly reranker: Reranker;
  readonly documents?: number;
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
  fastify.addHook("onRequest", async (request, reply) => {
    const startedAt = performance.now();
    context.requestStarted();
    reply.header("x-request-id", request.id);
    let finished = false;
    reply.raw.once("finish", () => {
      finished = true;
    });
    reply.raw.once("close", () => {
      context.requestEnded();
      const left = !finished;
      if (left) context.counters.clientClosed += 1;
      write(request, reply, left ? errorTable.client_closed.status : reply.statusCode, performance.now() - startedAt);
    });
  });
  fastify.addHook("onSend", async (_request, reply, payload) => {
    if (context.state.status === "draining") reply.header("connection", "close");
    return payload;
  });
}

/** Milliseconds to the microsecond. */
function milliseconds(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function write(request: FastifyRequest, reply: FastifyReply, status: number, totalMs: number): void {
  const { work } = request;
  const fields = {
    method: request.method,
    route: request.routeOptions.url ?? "unknown",
    status,
    ...(work?.documents !== undefined && { documents: work.documents }),
    ...(work?.tokens !== undefined && { tokens: work.tokens }),
    ...(work?.timings && {
      tokens_reused: work.timings.reusedTokens,
      queue_ms: milliseconds(work.timings.queueMs),
      compute_ms: milliseconds(work.timings.computeMs),
    }),
    total_ms: milliseconds(totalMs),
  };
  // Probes come every few seconds and say nothing while all is well.
  const quiet = request.routeOptions.config.quiet === true && reply.statusCode < 400;
  if (quiet) request.log.debug(fields, "request");
  else request.log.info(fields, "request");
}

/** `Server-Timing`, which browsers and curl show: durations in milliseconds. */
export function serverTiming(timings: Timings): string {
  const { queueMs, tokenizeMs, computeMs, totalMs } = timings;
  return Object.entries({ queue: queueMs, tokenize: tokenizeMs, compute: computeMs, total: totalMs })
    .map(([name, duration]) => `${name};dur=${milliseconds(duration)}`)
    .join(", ");
}
