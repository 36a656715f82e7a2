/** The route of a request as log, metrics and traces name it. */

import type { FastifyRequest } from "fastify";

/** Of a request that matches no route, and of bytes that never became a request. */
export const unknownRoute = "unknown";

/** The path as it was registered, so that the number of different names is limited. */
export function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? unknownRoute;
}
