/** The HTTP service as a Fastify plugin. It knows neither ports nor signals: listening is in listen.ts. */

import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import type { TSchema } from "typebox";
import { validator } from "../wire/validation.js";
import { registerAuth } from "./auth.js";
import { registerBodyParser } from "./body.js";
import { holdExpectations, registerBodyGate } from "./body-gate.js";
import { connectionOptions, registerRequestChecks, watchConnections } from "./connection.js";
import { registerContentEncoding } from "./content-encoding.js";
import { registerErrorHandling, sendError } from "./error-handler.js";
import { newRequestId, recordRequest, registerAccessLog, requestIdLabel } from "./observe/access-log.js";
import { registerMetrics } from "./observe/metrics.js";
import { registerTracing } from "./observe/tracing.js";
import { registerOpenApi } from "./openapi.js";
import { playground } from "./playground/plugin.js";
import { registerPressure } from "./pressure.js";
import { registerRoutes } from "./routes.js";
import type { ServerContext } from "./context.js";

export interface AppOptions {
  readonly context: ServerContext;
}

export async function app(fastify: FastifyInstance, { context }: AppOptions): Promise<void> {
  registerBodyParser(fastify);
  registerContentEncoding(fastify, context.options.bodyLimitBytes);
  fastify.setValidatorCompiler<TSchema>(({ schema }) => validator(schema));
  // In this order: what is refused is logged and traced as well, and by whom it may be seen is settled first.
  registerAccessLog(fastify, context);
  registerTracing(fastify, context.options.tracing);
  registerErrorHandling(fastify, context);
  registerRequestChecks(fastify, context);
  await registerAuth(fastify, context);
  await registerPressure(fastify, context.options);
  registerBodyGate(fastify, context);
  await registerOpenApi(fastify);
  registerMetrics(fastify, context.metrics);
  registerRoutes(fastify, context);
  fastify.register(playground);
}

/** A Fastify instance with the plugin: what tests inject into and listen.ts listens with. */
export function createServer(context: ServerContext, logger?: FastifyBaseLogger): FastifyInstance {
  const fastify: FastifyInstance = Fastify({
    ...(logger && { loggerInstance: logger }),
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: requestIdLabel }),
    bodyLimit: context.options.bodyLimitBytes,
    ...connectionOptions(context, () => fastify.log),
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: 1000 },
    // The state machine answers while draining, in the error table's words.
    return503OnClosing: false,
    requestIdHeader: false,
    genReqId: ({ headers }) => {
      const given = headers["x-request-id"];
      return typeof given === "string" && /^[\w.:-]{1,128}$/.test(given) ? given : newRequestId();
    },
    frameworkErrors: (error, request, reply) => {
      recordRequest(context, request, reply);
      sendError(error, context, request, reply);
    },
  });
  holdExpectations(fastify);
  watchConnections(fastify, context);
  fastify.register(app, { context });
  return fastify;
}
