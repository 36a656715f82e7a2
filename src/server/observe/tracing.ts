/**
 * Which trace a request belongs to. The ids of the caller's W3C `traceparent` stand in the request's log lines as trace_id and
 * span_id. With OpenTelemetry on, the request gets a span of its own in that trace.
 */

import type { FastifyInstance } from "fastify";
import { onResponseEnd } from "../disconnect.js";
import { notesOf } from "./notes.js";
import type { Tracing } from "./open-telemetry.js";
import { readTraceparent } from "./traceparent.js";

export function registerTracing(fastify: FastifyInstance, tracing?: Tracing): void {
  fastify.addHook("onRequest", async (request, reply) => {
    const caller = readTraceparent(request.headers.traceparent);
    const state = request.headers.tracestate;
    const parent = caller && typeof state === "string" ? { ...caller, state } : caller;
    // Most spans would be of probes.
    const span = request.routeOptions.config.quiet === true ? undefined : tracing?.start(request, parent);
    const ids = span ?? parent;
    if (ids) request.log = request.log.child({ trace_id: ids.traceId, span_id: ids.spanId });
    if (!span) return;
    notesOf(request).span = span;
    onResponseEnd(reply.raw, (sent) => span.end({ status: reply.statusCode, sent }));
  });
}
