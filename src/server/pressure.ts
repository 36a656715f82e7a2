/**
 * Refuses scoring while the process is short of time or memory; @fastify/under-pressure measures both every second. Probes,
 * metrics and pages are always answered, since they show what is wrong.
 */

import { getHeapStatistics } from "node:v8";
import underPressure from "@fastify/under-pressure";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { memoryLimit } from "../engine/memory-groups.js";
import { RerankError } from "../errors.js";

/** Scoring is refused with `overloaded` beyond these; 0 = no limit. */
export interface PressureLimits {
  readonly maxEventLoopDelayMs?: number;
  readonly maxRssBytes?: number;
}

/** V8 ends the process when its heap is full. */
const heapShare = 0.9;

/** The kernel ends the process at the control group's whole limit. */
const limitShare = 0.9;

/** The first measurements of the event loop include loading, which writes the demo model on the JavaScript thread. */
const settlingMs = 2000;

/** Bytes that the process may have by its control group when no setting says so; 0 = no limit. */
export function defaultMaxRssBytes(): number {
  return Math.floor((memoryLimit() ?? 0) * limitShare);
}

export async function registerPressure(fastify: FastifyInstance, limits: PressureLimits): Promise<void> {
  const { maxEventLoopDelayMs = 0, maxRssBytes = 0 } = limits;
  await fastify.register(underPressure, {
    maxEventLoopDelay: maxEventLoopDelayMs,
    maxRssBytes,
    maxHeapUsedBytes: maxHeapBytes(),
    // The plugin would refuse every route. Only scoring routes refuse, by `refuseUnderPressure`.
    pressureHandler: () => {},
  });
}

function maxHeapBytes(): number {
  return Math.floor(getHeapStatistics().heap_size_limit * heapShare);
}

export interface Load {
  /** Requests that are being scored. */
  readonly requests: number;
  /** Milliseconds since the model was loaded. */
  readonly readyMs: number;
}

export interface Memory {
  readonly heapUsed: number;
  readonly rssBytes: number;
}

/**
 * Whether to refuse a request while some limit is exceeded. RSS alone refuses only beside a running request: the model and
 * its caches keep their memory, so a service that refused everything would do so for ever.
 */
export function refuses(
  { heapUsed, rssBytes }: Memory,
  { maxHeap, maxRssBytes }: { readonly maxHeap: number; readonly maxRssBytes: number },
  { requests, readyMs }: Load,
): boolean {
  if (heapUsed > maxHeap) return true;
  if (maxRssBytes > 0 && rssBytes > maxRssBytes) return requests > 0;
  return readyMs >= settlingMs;
}

export function refuseUnderPressure({ server }: FastifyRequest, { maxRssBytes = 0 }: PressureLimits, load: Load): void {
  if (!server.isUnderPressure()) return;
  const { eventLoopDelay, heapUsed, rssBytes } = server.memoryUsage();
  if (!refuses({ heapUsed, rssBytes }, { maxHeap: maxHeapBytes(), maxRssBytes }, load)) return;
  const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);
  throw new RerankError(
    "overloaded",
    `the server is short of time or memory: the event loop lags ${Math.round(eventLoopDelay)} ms, the heap has ${megabytes(heapUsed)} MiB, the process ${megabytes(rssBytes)} MiB; try again`,
  );
}
