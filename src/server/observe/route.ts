/** The route of a request as log, metrics and traces name it. */

import type { FastifyRequest } from "fastify";

/** Of what matches no route, or was refused before it was a request. */
export const unknownRoute = "unknown";

/** As it was registered, so that there are only so many. */
export function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? unknownRoute;
}
