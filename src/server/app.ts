/** The HTTP service as a Fastify plugin. It knows neither ports nor signals: listening is in listen.ts. */

import type { FastifyInstance } from "fastify";
import type { TSchema } from "typebox";
import { validator } from "../wire/validation.js";
import { registerAuth } from "./auth.js";
import { registerBodyParser } from "./body.js";
import { registerBodyGate } from "./body-gate.js";
import { closeWhileDraining, registerRequestChecks } from "./connection.js";
import { registerContentEncoding } from "./content-encoding.js";
import type { ServerContext } from "./context.js";
import { registerErrorHandling } from "./error-handler.js";
import { registerMetrics } from "./observe/metrics.js";
import { registerRequestRecord } from "./observe/request-record.js";
import { registerTracing } from "./observe/tracing.js";
import { registerOpenApi } from "./openapi.js";
import { playground } from "./playground/plugin.js";
import { registerPressure } from "./pressure.js";
import { registerRoutes } from "./routes.js";

export interface AppOptions {
  readonly context: ServerContext;
}

export async function app(fastify: FastifyInstance, { context }: AppOptions): Promise<void> {
  registerBodyParser(fastify);
  registerContentEncoding(fastify, context.options.bodyLimitBytes);
  fastify.setValidatorCompiler<TSchema>(({ schema }) => validator(schema));
  // The log and the traces come first, since they show refused requests too. CORS and keys run before the body is parsed.
  registerRequestRecord(fastify, context);
  registerTracing(fastify, context.options.tracing);
  closeWhileDraining(fastify, context.lifecycle);
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
