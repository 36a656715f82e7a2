/** A Fastify instance with the service in it: tests inject into it, listen.ts listens with it. */

import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import { app } from "./app.js";
import { holdExpectations } from "./body-gate.js";
import { connectionOptions, watchConnections } from "./connection.js";
import type { ServerContext } from "./context.js";
import { sendError } from "./error-handler.js";
import { requestId, requestIdLabel } from "./observe/request-id.js";
import { recordRequest } from "./observe/request-record.js";

export function createServer(context: ServerContext, logger?: FastifyBaseLogger): FastifyInstance {
  const fastify: FastifyInstance = Fastify({
    ...(logger && { loggerInstance: logger }),
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: requestIdLabel }),
    ...connectionOptions(context, () => fastify.log),
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: 1000 },
    // While draining the service answers itself, in the error table's words.
    return503OnClosing: false,
    requestIdHeader: false,
    genReqId: ({ headers }) => requestId(headers),
    frameworkErrors: (error, request, reply) => {
      recordRequest(context, request, reply);
      sendError(error, context, request, reply);
    },
  });
  holdExpectations(fastify);
  watchConnections(fastify, context);
  fastify.register(app, { context, playground: true, docs: true, metrics: true });
  return fastify;
}
