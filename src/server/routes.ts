/** The routes. Each is a schema, a few lines that call the reranker, and nothing else. */

import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { RerankError } from "../errors.js";
import { transferFields } from "../model/transfer.js";
import { NativeRequest, NativeResponse, readNative, writeNative } from "./dialects/native.js";
import { errorBody } from "./error-handler.js";
import { readinessCheck } from "./readiness.js";
import { ErrorBody, Healthy, Probe, Unhealthy } from "./schemas.js";
import { rerankOne, scoringGate } from "./scoring.js";
import { loadingReason, type ServerContext } from "./state.js";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Logged at debug level unless it fails. */
    quiet?: boolean;
  }
}

export function registerRoutes(fastify: FastifyInstance, context: ServerContext): void {
  const app = fastify.withTypeProvider<TypeBoxTypeProvider>();
  registerProbes(fastify, context);

  app.post(
    "/rerank",
    {
      schema: { body: NativeRequest, response: { 200: NativeResponse, "4xx": ErrorBody, "5xx": ErrorBody } },
      onRequest: scoringGate(context),
    },
    async (request, reply) => {
      const job = readNative(request.body);
      const response = await rerankOne(request, reply, context, job);
      return writeNative(job, response, context.options.modelName);
    },
  );
}

function registerProbes(fastify: FastifyInstance, context: ServerContext): void {
  const app = fastify.withTypeProvider<TypeBoxTypeProvider>();
  const config = { quiet: true };
  const checkReadiness = readinessCheck(context);

  app.get("/health", { config, schema: { response: { 200: Healthy, 503: Unhealthy } } }, async (_request, reply) => {
    const { state, uptimeSeconds: uptime_s } = context;
    const model = context.options.modelName;
    switch (state.status) {
      case "ready":
        return { status: "ok" as const, model, device: state.reranker.info.device, uptime_s };
      case "loading":
        reply.code(503);
        return {
          ...{ status: state.status, reason: loadingReason(state), progress: state.progress },
          ...(state.transfer && { fetch: transferFields(state.transfer) }),
          ...{ model, uptime_s },
        };
      case "draining":
        reply.code(503);
        return { status: state.status, reason: "the server is shutting down", model, uptime_s };
      case "failed":
        reply.code(503);
        return { status: state.status, reason: state.reason, model, uptime_s };
    }
  });

  app.get("/ready", { config, schema: { response: { 200: Probe, 503: ErrorBody } } }, async (_request, reply) => {
    try {
      await checkReadiness();
      return { status: "ready" };
    } catch (error) {
      const known = error instanceof RerankError ? error : new RerankError("timeout", "scoring takes too long", { cause: error });
      reply.code(503).header("retry-after", 2);
      return errorBody(known);
    }
  });

  app.get("/ping", { config, schema: { response: { 200: Probe } } }, async () => ({ status: "ok" }));
}
