/**
 * Refuses scoring while the process itself is short of time or memory, by what @fastify/under-pressure measures each second.
 * Probes, metrics and pages are answered all the same: they say what is wrong.
 */

import { getHeapStatistics } from "node:v8";
import underPressure from "@fastify/under-pressure";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { memoryLimit } from "../engine/memory-groups.js";
import { RerankError } from "../errors.js";
import type { ServerOptions } from "./context.js";

/** The process ends when V8's heap is full. */
const heapShare = 0.9;

/** Of the memory that the process may have: the kernel ends it at the whole. */
const limitShare = 0.9;

/** Bytes that the process may have when nobody said: by its control group; 0 = no limit. */
export function defaultMaxRssBytes(): number {
  return Math.floor((memoryLimit() ?? 0) * limitShare);
}

export async function registerPressure(fastify: FastifyInstance, options: ServerOptions): Promise<void> {
  const { maxEventLoopDelayMs = 0, maxRssBytes = 0 } = options;
  await fastify.register(underPressure, {
    maxEventLoopDelay: maxEventLoopDelayMs,
    maxRssBytes,
    maxHeapUsedBytes: Math.floor(getHeapStatistics().heap_size_limit * heapShare),
    // The plugin would refuse every route; scoring routes ask it themselves.
    pressureHandler: () => {},
  });
}

/** The measure of the event loop is of the last second: at first that is of loading, which writes the demo model on this thread. */
const settlingMs = 2000;

/**
 * `readyMs`: since the model was loaded. `requests`: that are being scored. Without any, too much RSS is no reason: what the
 * model and its caches have, refusing does not give back, and a server that refuses for ever is worse than one that scores a
 * request at a time.
 */
export function refuseUnderPressure(
  { server }: FastifyRequest,
  { maxRssBytes = 0 }: ServerOptions,
  { requests, readyMs }: { readonly requests: number; readonly readyMs: number },
): void {
  if (!server.isUnderPressure()) return;
  const { eventLoopDelay, heapUsed, rssBytes } = server.memoryUsage();
  const memoryIsShort = heapUsed > getHeapStatistics().heap_size_limit * heapShare || (maxRssBytes > 0 && rssBytes > maxRssBytes);
  if (readyMs < settlingMs && !memoryIsShort) return;
  const rssAlone = maxRssBytes > 0 && rssBytes > maxRssBytes && heapUsed <= getHeapStatistics().heap_size_limit * heapShare;
  if (rssAlone && requests === 0) return;
  const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);
  throw new RerankError(
    "overloaded",
    `the server is short of time or memory: the event loop lags ${Math.round(eventLoopDelay)} ms, the heap has ${megabytes(heapUsed)} MiB, the process ${megabytes(rssBytes)} MiB; try again`,
  );
}
