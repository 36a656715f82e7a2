/**
 * Which trace a request belongs to: the caller's W3C `traceparent` goes into the request's log lines as trace_id and
 * span_id, and with OpenTelemetry on, the request gets a span of its own in that trace.
 */

import type { FastifyInstance } from "fastify";
import { onResponseEnd } from "../disconnect.js";
import type { RequestSpan, Tracing } from "./open-telemetry.js";
import { readTraceparent } from "./traceparent.js";

declare module "fastify" {
  interface FastifyRequest {
    /** null where nothing is traced. */
    span: RequestSpan | null;
  }
}

export function registerTracing(fastify: FastifyInstance, tracing?: Tracing): void {
  fastify.decorateRequest("span", null);
  fastify.addHook("onRequest", async (request, reply) => {
    const caller = readTraceparent(request.headers.traceparent);
    const state = request.headers.tracestate;
    const parent = caller && typeof state === "string" ? { ...caller, state } : caller;
    // Probes would be most of all spans.
    const span = request.routeOptions.config.quiet === true ? undefined : tracing?.start(request, parent);
    const ids = span ?? parent;
    if (ids) request.log = request.log.child({ trace_id: ids.traceId, span_id: ids.spanId });
    if (!span) return;
    request.span = span;
    onResponseEnd(reply.raw, (sent) => span.end({ status: reply.statusCode, sent }));
  });
}
