/**
 * Which trace a request belongs to: the caller's W3C `traceparent` goes into the request's log lines as trace_id and
 * span_id, and with OpenTelemetry on, the request gets a span of its own in that trace.
 */

import type { FastifyInstance } from "fastify";
import { onResponseEnd } from "../disconnect.js";
import type { ServerContext } from "../state.js";
import type { RequestSpan } from "./open-telemetry.js";

declare module "fastify" {
  interface FastifyRequest {
    /** null where nothing is traced. */
    span: RequestSpan | null;
  }
}

/** Where the caller is in a trace. */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits: the caller's span. */
  readonly spanId: string;
  readonly flags: number;
  /** What the tracing systems on the way noted, as the header has it. */
  readonly state?: string;
}

/** undefined for what the recommendation calls invalid: such a header is to be ignored. */
export function readTraceparent(header: unknown): TraceParent | undefined {
  if (typeof header !== "string") return undefined;
  const pattern = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/;
  const [, version, traceId, spanId, flags, more] = header.trim().match(pattern) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  // Later versions may append fields.
  if (version === "00" && more !== undefined) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

export function registerTracing(fastify: FastifyInstance, { options }: ServerContext): void {
  fastify.decorateRequest("span", null);
  fastify.addHook("onRequest", async (request, reply) => {
    const caller = readTraceparent(request.headers.traceparent);
    const state = request.headers.tracestate;
    const parent = caller && typeof state === "string" ? { ...caller, state } : caller;
    // Probes would be most of all spans.
    const span = request.routeOptions.config.quiet === true ? undefined : options.tracing?.start(request, parent);
    const ids = span ?? parent;
    if (ids) request.log = request.log.child({ trace_id: ids.traceId, span_id: ids.spanId });
    if (!span) return;
    request.span = span;
    onResponseEnd(reply.raw, (sent) => span.end({ status: reply.statusCode, sent }));
  });
}
