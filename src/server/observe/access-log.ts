/** One log line a request. Lines hold numbers and names of routes, never a query, a document, an image's URL or a key. */

import type { FastifyBaseLogger, FastifyRequest } from "fastify";
import { notesOf } from "./notes.js";
import { requestIdLabel } from "./request-id.js";
import { routeOf, unknownRoute } from "./route.js";
import { milliseconds } from "./server-timing.js";

export function logRequest(request: FastifyRequest, status: number, totalMs: number): void {
  // Probes come every few seconds, and their lines say nothing while all is well.
  const quiet = request.routeOptions.config?.quiet === true && status < 400;
  request.log[quiet ? "debug" : "info"](fieldsOf(request, status, totalMs), "request");
}

/** Of bytes that never became a request of the framework. Nobody knows when they began to arrive. */
export function logRefusal(log: FastifyBaseLogger, id: string, status: number): void {
  log.info({ [requestIdLabel]: id, route: unknownRoute, status }, "request");
}

function fieldsOf(request: FastifyRequest, status: number, totalMs: number) {
  const { keyName, work } = notesOf(request);
  return {
    method: request.method,
    route: routeOf(request),
    status,
    ...(keyName !== undefined && { key: keyName }),
    ...(work?.documents !== undefined && { documents: work.documents }),
    ...(work?.images !== undefined && { images: work.images }),
    ...(work?.tokens !== undefined && { tokens: work.tokens }),
    ...(work?.timings && {
      tokens_computed: work.timings.computedTokens,
      tokens_reused: work.timings.reusedTokens,
      queue_ms: milliseconds(work.timings.queueMs),
      compute_ms: milliseconds(work.timings.computeMs),
    }),
    ...(work?.images !== undefined &&
      work.timings && { images_encoded: work.timings.encodedImages, image_ms: milliseconds(work.timings.imageMs) }),
    total_ms: milliseconds(totalMs),
  };
}
