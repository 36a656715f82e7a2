/**
 * The routes and hooks of the service, in whatever Fastify instance they are registered. All of them stay within it: they know
 * the path that it is mounted at, and nothing of ports, signals or the model's loading.
 */

import { SerializerSelector } from "@fastify/fast-json-stringify-compiler";
import type { FastifyInstance } from "fastify";
import type { TSchema } from "typebox";
import { validator } from "../wire/validation.js";
import { registerAuth } from "./auth.js";
import { registerBodyParser } from "./body.js";
import { registerBodyGate } from "./body-gate.js";
import { closeWhileDraining, registerRequestChecks } from "./connection.js";
import { registerContentEncoding } from "./content-encoding.js";
import type { ServerContext } from "./context.js";
import { registerCors } from "./cors.js";
import { registerErrorHandling } from "./error-handler.js";
import { registerMetrics } from "./observe/metrics.js";
import { registerRequestRecord } from "./observe/request-record.js";
import { registerTracing } from "./observe/tracing.js";
import { registerOpenApi } from "./openapi.js";
import { playground } from "./playground/plugin.js";
import { registerPressure } from "./pressure.js";
import { registerRoutes } from "./routes.js";
import { mostValues } from "./scoring.js";
import { registerAnswerHeaders } from "./security-headers.js";

/** What stands beside the routes that score and tell of the model. */
export interface Extras {
  /** A page to try it out, at `/`. */
  readonly playground: boolean;
  /** OpenAPI, at `/docs`. */
  readonly docs: boolean;
  /** Figures for Prometheus, at `/metrics`. */
  readonly metrics: boolean;
}

export interface AppOptions extends Extras {
  readonly context: ServerContext;
}

const compileSerializer = SerializerSelector()();

export async function app(fastify: FastifyInstance, { context, ...extras }: AppOptions): Promise<void> {
  const { options, keys, lifecycle, metrics } = context;
  registerBodyParser(fastify, options.bodyLimitBytes, () => mostValues(context));
  registerContentEncoding(fastify, options.bodyLimitBytes);
  // Both, since a host app may have compilers of its own, which do not know these schemas.
  fastify.setValidatorCompiler<TSchema>(({ schema }) => validator(schema, () => mostValues(context)));
  fastify.setSerializerCompiler(({ httpStatus = "", ...route }) => compileSerializer({ ...route, httpStatus }));
  // The log and the traces come first, since they show refused requests too. CORS and keys run before the body is parsed.
  registerRequestRecord(fastify, context);
  registerTracing(fastify, options.tracing);
  closeWhileDraining(fastify, lifecycle);
  registerErrorHandling(fastify, context);
  registerRequestChecks(fastify, context);
  registerAnswerHeaders(fastify);
  await registerCors(fastify, options.corsOrigins);
  registerAuth(fastify, keys);
  await registerPressure(fastify, options);
  registerBodyGate(fastify, context);
  if (extras.docs) await registerOpenApi(fastify);
  if (extras.metrics) registerMetrics(fastify, metrics);
  registerRoutes(fastify, context);
  if (extras.playground) fastify.register(playground, { context, docs: extras.docs });
}
