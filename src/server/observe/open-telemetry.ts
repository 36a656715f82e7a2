/**
 * OpenTelemetry spans: one for each request, below it `rerank {model}`, and below that `images`, `queue` and `compute`. Imported only
 * by load-tracing, when an endpoint is set. Samplers, headers, limits and resource attributes are read by
 * the packages from their own OTEL_ variables. Spans hold numbers and names of routes, never a query or a document.
 */

import {
  type Attributes,
  type Context,
  createTraceState,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import type { FastifyRequest } from "fastify";
import { errorTable } from "../../errors.js";
import type { Timings } from "../../types.js";
import { type Operation, type Outcome, operation, operationAttributes, type Usage } from "./generative-ai.js";
import { routeOf } from "./route.js";
import type { TraceParent } from "./traceparent.js";

export interface Tracing {
  start(request: FastifyRequest, parent: TraceParent | undefined): RequestSpan;
  /** Sends the spans that are left. Gives up after three seconds when the collector does not answer. */
  close(): Promise<void>;
}

export interface RequestSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** `startedAt`: performance.now() when the images, or the pairs of a request without any, were handed over. */
  scored(startedAt: number, asked: Operation, took: Usage & { readonly images: number }, timings: Timings): void;
  failed(startedAt: number, asked: Operation, errorType: string): void;
  end(outcome: { readonly status: number; readonly sent: boolean }): void;
}

const closingMs = 3000;

/** Where spans are sent, and how they are written. */
export interface Collector {
  readonly url: string;
  readonly protocol: "http/json" | "http/protobuf";
}

export function startTracing({ url, protocol }: Collector): Tracing {
  const exporter = protocol === "http/json" ? new JsonExporter({ url }) : new ProtobufExporter({ url });
  const named = { "service.name": process.env.OTEL_SERVICE_NAME || "jina-reranker" };
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes(named))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  const tracer = provider.getTracer("jina-reranker");
  return {
    start: (request, parent) => startRequest(tracer, request, parent),
    async close() {
      let patience: NodeJS.Timeout | undefined;
      const enough = new Promise<void>((resolve) => {
        patience = setTimeout(resolve, closingMs);
      });
      await Promise.race([provider.shutdown().catch(() => {}), enough]);
      clearTimeout(patience);
    },
  };
}

function startRequest(tracer: Tracer, request: FastifyRequest, parent: TraceParent | undefined): RequestSpan {
  const route = routeOf(request);
  const attributes = { "http.request.method": request.method, "http.route": route, "request.id": request.id };
  const span = tracer.startSpan(`${request.method} ${route}`, { kind: SpanKind.SERVER, attributes }, contextOf(parent));
  const context = trace.setSpan(ROOT_CONTEXT, span);
  const { traceId, spanId } = span.spanContext();
  const { localAddress, localPort } = request.raw.socket;
  // Absent where the host app listens on a Unix socket.
  const server = localAddress === undefined ? {} : { "server.address": localAddress, "server.port": localPort };
  const startRanking = (startTime: number, asked: Operation, outcome: Outcome) => {
    const ofRanking = { ...operationAttributes(asked, outcome), ...server };
    return tracer.startSpan(`${operation} ${asked.model}`, { startTime, attributes: ofRanking }, context);
  };
  return {
    traceId,
    spanId,
    scored(startedAt, asked, { images, ...usage }, timings) {
      const begun = performance.timeOrigin + startedAt;
      const submitted = begun + timings.imageMs;
      const firstBatch = submitted + timings.queueMs;
      const computed = firstBatch + timings.computeMs;
      const ranking = startRanking(begun, asked, usage);
      const below = trace.setSpan(ROOT_CONTEXT, ranking);
      if (images > 0) {
        span.setAttribute("rerank.images", images);
        step(tracer, below, "images", begun, submitted);
      }
      step(tracer, below, "queue", submitted, firstBatch);
      step(tracer, below, "compute", firstBatch, computed, {
        "rerank.tokens_computed": timings.computedTokens,
        "rerank.tokens_reused": timings.reusedTokens,
        ...(images > 0 && { "rerank.images_encoded": timings.encodedImages }),
      });
      ranking.end(computed);
      span.setAttribute("rerank.pairs", asked.candidates);
    },
    failed(startedAt, asked, errorType) {
      const ranking = startRanking(performance.timeOrigin + startedAt, asked, { errorType });
      ranking.setStatus({ code: SpanStatusCode.ERROR });
      ranking.end(performance.timeOrigin + performance.now());
    },
    end({ status, sent }) {
      const seen = sent ? status : errorTable.client_closed.status;
      span.setAttribute("http.response.status_code", seen);
      if (seen >= 500) {
        span.setAttribute("error.type", String(seen));
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end();
    },
  };
}

/** Times in milliseconds since 1970. */
function step(tracer: Tracer, context: Context, name: string, startTime: number, endTime: number, attributes: Attributes = {}) {
  tracer.startSpan(name, { startTime, attributes }, context).end(endTime);
}

function contextOf(parent: TraceParent | undefined): Context {
  if (!parent) return ROOT_CONTEXT;
  const { traceId, spanId, flags, state } = parent;
  const traceState = state === undefined ? {} : { traceState: createTraceState(state) };
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: flags, isRemote: true, ...traceState });
}
