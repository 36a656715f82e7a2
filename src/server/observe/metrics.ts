/**
 * The service's figures for Prometheus, in a registry of their own for each instance. Requests are counted here. The engine's own
 * counters are read at each scrape, so the two never differ.
 */

import type { FastifyInstance } from "fastify";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry, Summary } from "prom-client";
import { Type } from "typebox";
import type { EngineStats } from "../../../binding.js";
import { errorTable } from "../../errors.js";
import type { Reranker } from "../../reranker.js";
import type { Timings } from "../../types.js";
import { ErrorBody } from "../../wire/schemas.js";
import { durationBuckets, type Outcome, operation, provider, tokenBuckets } from "./generative-ai.js";

/** Buckets: from a cached pair on a GPU to a hundred long documents on a small CPU. */
const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Labels of the generative AI metrics. */
const operationNames = [
  "gen_ai_operation_name",
  "gen_ai_provider_name",
  "gen_ai_request_model",
  "gen_ai_response_model",
] as const;
type OperationLabel = (typeof operationNames)[number];

export interface MetricsOptions {
  readonly modelName: string;
  /** undefined = none is loaded; then the engine's figures stay as they were. */
  readonly reranker: () => Reranker | undefined;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #options: MetricsOptions;
  readonly #requests: Counter<"route" | "status">;
  readonly #duration: Histogram<"route">;
  readonly #queueWait: Histogram;
  readonly #compute: Histogram;
  readonly #truncated: Counter;
  readonly #images: Counter<"of">;
  readonly #imageRead: Histogram;
  readonly #operation: Histogram<OperationLabel | "error_type">;
  readonly #usage: Histogram<OperationLabel | "gen_ai_token_type">;

  constructor(options: MetricsOptions) {
    this.#options = options;
    const registers = [this.#registry];
    this.#requests = new Counter({
      name: "rerank_requests_total",
      help: "Requests that are over; status 499 = the client left before its answer.",
      labelNames: ["route", "status"],
      registers,
    });
    this.#duration = new Histogram({
      name: "rerank_request_duration_seconds",
      help: "From a request's headers to the end of its answer.",
      labelNames: ["route"],
      buckets: seconds,
      registers,
    });
    this.#queueWait = new Histogram({
      name: "rerank_queue_wait_seconds",
      help: "From the hand-over to the engine to a scoring request's first batch.",
      buckets: seconds,
      registers,
    });
    this.#compute = new Histogram({
      name: "rerank_compute_seconds",
      help: "From the first batch of a scoring request to the end of its last.",
      buckets: seconds,
      registers,
    });
    this.#truncated = new Counter({
      name: "rerank_truncated_total",
      help: "Documents whose end was cut to fit the context.",
      registers,
    });
    this.#images = new Counter({
      name: "rerank_images_total",
      help: "Images among the queries and documents that were scored.",
      labelNames: ["of"],
      registers,
    });
    for (const of of ["query", "document"]) this.#images.inc({ of }, 0);
    this.#imageRead = new Histogram({
      name: "rerank_image_read_seconds",
      help: "Fetching, reading and decoding the images of a scoring request that has some.",
      buckets: seconds,
      registers,
    });
    this.#operation = new Histogram({
      name: "gen_ai_server_request_duration_seconds",
      help: "From the hand-over of a scoring request to its scores; error_type is an error's code, absent where there is none.",
      labelNames: [...operationNames, "error_type"],
      buckets: durationBuckets,
      registers,
    });
    this.#usage = new Histogram({
      name: "gen_ai_client_token_usage",
      help: "Tokens of all prompts of a scoring request.",
      labelNames: [...operationNames, "gen_ai_token_type"],
      buckets: tokenBuckets,
      registers,
    });
    this.#registerEngine();
  }

  /** Memory, processor time, event loop and garbage collection of the process. */
  addProcessFigures(): void {
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  requestEnded(route: string, status: number, durationSeconds: number): void {
    this.#requests.inc({ route, status });
    this.#duration.observe({ route }, durationSeconds);
  }

  /** Bytes were refused that never became a request: nobody knows when they began to arrive. */
  requestRefused(route: string, status: number): void {
    this.#requests.inc({ route, status });
  }

  scored({ queueMs, computeMs }: Timings, truncated: number): void {
    this.#queueWait.observe(queueMs / 1000);
    this.#compute.observe(computeMs / 1000);
    this.#truncated.inc(truncated);
  }

  /** A scoring request is over. */
  reranked(durationSeconds: number, outcome: Outcome): void {
    const { modelName } = this.#options;
    const asked = { gen_ai_operation_name: operation, gen_ai_provider_name: provider, gen_ai_request_model: modelName };
    if ("errorType" in outcome) {
      this.#operation.observe({ ...asked, error_type: outcome.errorType }, durationSeconds);
      return;
    }
    const answered = { ...asked, gen_ai_response_model: modelName };
    this.#operation.observe(answered, durationSeconds);
    this.#usage.observe({ ...answered, gen_ai_token_type: "input" }, outcome.inputTokens);
  }

  imagesScored({ queries, documents }: { queries: number; documents: number }, { imageMs }: Timings): void {
    this.#images.inc({ of: "query" }, queries);
    this.#images.inc({ of: "document" }, documents);
    this.#imageRead.observe(imageMs / 1000);
  }

  #registerEngine(): void {
    const registers = [this.#registry];
    const { modelName, reranker } = this.#options;
    const stats = () => reranker()?.stats();
    const counter = (name: string, help: string, value: (stats: EngineStats) => number) =>
      new Counter({
        ...{ name, help, registers },
        collect() {
          const now = stats();
          if (!now) return;
          // A counter cannot be set, only counted up from 0.
          this.reset();
          this.inc(value(now));
        },
      });
    const gauge = (name: string, help: string, value: (stats: EngineStats) => number) =>
      new Gauge({
        ...{ name, help, registers },
        collect() {
          const now = stats();
          if (now) this.set(value(now));
        },
      });
    counter("rerank_pairs_total", "Pairs of query and document that were scored.", (now) => now.pairsScored);
    counter("rerank_cancelled_pairs_total", "Pairs dropped before they were computed.", (now) => now.pairsDropped);
    gauge("rerank_queue_pairs", "Pairs that wait or are being computed.", (now) => now.pairsQueued);
    gauge(
      "rerank_queue_tokens",
      "Tokens that wait or are being computed, estimated where not counted.",
      (now) => now.tokensQueued,
    );
    gauge("rerank_document_cache_bytes", "Memory that document prefixes take.", (now) => now.cacheBytes);
    gauge("rerank_document_cache_entries", "Document prefixes that are kept.", (now) => now.cacheEntries);
    counter("rerank_document_cache_hits_total", "Pairs that began with a kept prefix.", (now) => now.pairsWarm);
    counter("rerank_document_disk_hits_total", "Documents whose state was read from disk.", (now) => now.documentsRestored);
    counter("rerank_document_disk_writes_total", "Documents whose state was written to disk.", (now) => now.documentsStored);
    counter(
      "rerank_document_disk_failures_total",
      "Files of states that could not be read or written, or were damaged.",
      (now) => now.storeFailures,
    );
    gauge("rerank_document_disk_bytes", "What the folder of states holds.", (now) => now.storeBytes);
    counter("rerank_score_cache_hits_total", "Pairs whose score was known already.", (now) => now.pairsRepeated);
    counter("rerank_images_encoded_total", "Images that went through the vision tower.", (now) => now.imagesEncoded);
    counter(
      "rerank_image_encode_seconds_total",
      "Time that the vision tower computed.",
      ({ imageEncodeMs }) => imageEncodeMs / 1000,
    );
    counter("rerank_image_cache_hits_total", "Images whose encoding was known already.", (now) => now.imagesReused);
    gauge("rerank_image_cache_bytes", "Memory that encoded images take.", (now) => now.imageCacheBytes);
    gauge("rerank_image_cache_entries", "Encoded images that are kept.", (now) => now.imageCacheEntries);
    new Counter({
      name: "rerank_tokens_total",
      help: "Tokens of pairs: computed by the model, or reused from the caches.",
      labelNames: ["kind"],
      registers,
      collect() {
        const now = stats();
        if (!now) return;
        this.reset();
        this.inc({ kind: "computed" }, now.tokensComputed);
        this.inc({ kind: "reused" }, now.tokensReused);
      },
    });
    this.#registry.registerMetric(new BatchTokens(stats));
    new Gauge({
      name: "rerank_devices",
      help: "Devices that compute, and those that were taken out.",
      labelNames: ["status"],
      registers,
      collect() {
        const devices = reranker()?.devices;
        if (!devices) return;
        for (const status of ["ok", "failed"] as const) {
          this.set({ status }, devices.filter((device) => device.status === status).length);
        }
      },
    });
    new Gauge({
      name: "rerank_model_info",
      help: "1; the labels tell what is loaded and how it runs.",
      labelNames: ["model", "architecture", "description", "device", "reproducible", "context_size", "batch_tokens"],
      registers,
      collect() {
        const info = reranker()?.info;
        if (!info) return;
        const { architecture, description, device, reproducible, contextSize, batchTokens } = info;
        const labels = { model: modelName, architecture, description, device, reproducible };
        this.set({ ...labels, context_size: contextSize, batch_tokens: batchTokens }, 1);
      },
    });
  }
}

/** The engine keeps the number of its batches and the sum of their tokens, which make a summary without quantiles. */
class BatchTokens extends Summary {
  readonly #stats: () => EngineStats | undefined;

  constructor(stats: () => EngineStats | undefined) {
    const help = "Tokens in a batch, rows that only fill it up included.";
    super({ name: "rerank_batch_tokens", help, percentiles: [], registers: [] });
    this.#stats = stats;
  }

  override async get(): ReturnType<Summary["get"]> {
    const { tokensComputed = 0, tokensPadding = 0, batches = 0 } = this.#stats() ?? {};
    const values = [
      { metricName: "rerank_batch_tokens_sum", labels: {}, value: tokensComputed + tokensPadding },
      { metricName: "rerank_batch_tokens_count", labels: {}, value: batches },
    ];
    return { ...(await super.get()), values };
  }
}

const documentation = { tags: ["operation"], summary: "Figures for Prometheus", produces: ["text/plain"] };
const text = Type.String({ description: "Prometheus text format" });

export function registerMetrics(fastify: FastifyInstance, metrics: Metrics): void {
  metrics.addProcessFigures();
  const schema = { ...documentation, response: { 200: text, 401: { ...ErrorBody, description: errorTable.unauthorized.when } } };
  fastify.get("/metrics", { config: { quiet: true }, schema }, async (_request, reply) => {
    reply.type(metrics.contentType);
    return metrics.text();
  });
}
