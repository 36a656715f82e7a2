/** Records every request once it is over: in the counts, in the metrics and in the log. */

import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { errorTable } from "../../errors.js";
import type { ServerContext } from "../context.js";
import { onResponseEnd } from "../disconnect.js";
import { logRefusal, logRequest } from "./access-log.js";
import { routeOf, unknownRoute } from "./route.js";

export function registerRequestRecord(fastify: FastifyInstance, context: ServerContext): void {
  fastify.addHook("onRequest", async (request, reply) => recordRequest(context, request, reply));
}

/** To be called once for each request that gets a reply, also where no route matches. */
export function recordRequest({ requests, metrics }: ServerContext, request: FastifyRequest, reply: FastifyReply): void {
  const startedAt = performance.now();
  requests.started();
  reply.header("x-request-id", request.id);
  onResponseEnd(reply.raw, (sent) => {
    requests.ended({ sent });
    const status = sent ? reply.statusCode : errorTable.client_closed.status;
    const totalMs = performance.now() - startedAt;
    metrics.requestEnded(routeOf(request), status, totalMs / 1000);
    logRequest(request, status, totalMs);
  });
}

/** Of bytes that were refused before they became a request of the framework. */
export function recordRefusal(
  { requests, metrics }: ServerContext,
  log: FastifyBaseLogger,
  { id, status }: { readonly id: string; readonly status: number },
): void {
  requests.refused();
  metrics.requestRefused(unknownRoute, status);
  logRefusal(log, id, status);
}
