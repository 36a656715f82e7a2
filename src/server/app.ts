/** The HTTP service as a Fastify plugin. It knows neither ports nor signals: listening is in listen.ts. */

import { randomUUID } from "node:crypto";
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import type { TSchema } from "typebox";
import { registerAccessLog } from "./access-log.js";
import { registerAuth } from "./auth.js";
import { registerBodyParser } from "./body.js";
import { holdExpectations, registerBodyGate } from "./body-gate.js";
import { connectionOptions } from "./connection.js";
import { registerErrorHandling, sendError } from "./error-handler.js";
import { registerMetrics } from "./metrics.js";
import { registerOpenApi } from "./openapi.js";
import { playground } from "./playground/plugin.js";
import { registerPressure } from "./pressure.js";
import { registerRoutes } from "./routes.js";
import type { ServerContext } from "./state.js";
import { registerTracing } from "./tracing.js";
import { validator } from "./validation.js";

export interface AppOptions {
  readonly context: ServerContext;
}

export async function app(fastify: FastifyInstance, { context }: AppOptions): Promise<void> {
  registerBodyParser(fastify);
  fastify.setValidatorCompiler<TSchema>(({ schema }) => validator(schema));
  // In this order: what is refused is logged and traced as well, and by whom it may be seen is settled first.
  registerAccessLog(fastify, context);
  registerTracing(fastify, context);
  registerErrorHandling(fastify, context);
  await registerAuth(fastify, context);
  await registerPressure(fastify, context.options);
  registerBodyGate(fastify, context);
  await registerOpenApi(fastify);
  registerMetrics(fastify, context);
  registerRoutes(fastify, context);
  fastify.register(playground);
}

/** A Fastify instance with the plugin: what tests inject into and listen.ts listens with. */
export function createServer(context: ServerContext, logger?: FastifyBaseLogger): FastifyInstance {
  const fastify = Fastify({
    ...(logger && { loggerInstance: logger }),
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "request_id" }),
    bodyLimit: context.options.bodyLimitBytes,
    ...connectionOptions(context.options.requestTimeoutMs),
    // The state machine answers while draining, in the error table's words.
    return503OnClosing: false,
    requestIdHeader: false,
    genReqId: ({ headers }) => {
      const given = headers["x-request-id"];
      return typeof given === "string" && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
    },
    frameworkErrors: (error, request, reply) => {
      sendError(error, context, request, reply);
    },
  });
  holdExpectations(fastify);
  fastify.register(app, { context });
  return fastify;
}
