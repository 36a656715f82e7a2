/**
 * Refuses scoring while the process itself is short of time or memory, by what @fastify/under-pressure measures each second.
 * Probes, metrics and pages are answered all the same: they say what is wrong.
 */

import { getHeapStatistics } from "node:v8";
import underPressure from "@fastify/under-pressure";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { RerankError } from "../errors.js";
import type { ServerOptions } from "./state.js";

/** The process ends when V8's heap is full. */
const heapShare = 0.9;

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

export function refuseUnderPressure({ server }: FastifyRequest): void {
  if (!server.isUnderPressure()) return;
  const { eventLoopDelay, heapUsed, rssBytes } = server.memoryUsage();
  const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);
  throw new RerankError(
    "overloaded",
    `the server is short of time or memory: the event loop lags ${Math.round(eventLoopDelay)} ms, the heap has ${megabytes(heapUsed)} MiB, the process ${megabytes(rssBytes)} MiB; try again`,
  );
}
