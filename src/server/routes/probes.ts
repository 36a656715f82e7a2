/** Probes: what the service is doing, whether it scores, whether the process runs. */

import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { RerankError } from "../../errors.js";
import { transferFields } from "../../model/transfer.js";
import { ErrorBody, Healthy, Probe, Unhealthy } from "../../wire/schemas.js";
import type { ServerContext } from "../context.js";
import { errorBody } from "../error-handler.js";
import { loadingReason } from "../lifecycle.js";
import { readinessCheck } from "../readiness.js";

const NotReady = Type.Object(ErrorBody.properties, { description: "it does not, and why" });

export function registerProbes(fastify: FastifyInstance, context: ServerContext): void {
  const app = fastify.withTypeProvider<TypeBoxTypeProvider>();
  const config = { quiet: true, open: true };
  const tags = ["operation"];
  const checkReadiness = readinessCheck(context);

  app.get(
    "/health",
    { config, schema: { tags, summary: "What the service is doing", response: { 200: Healthy, 503: Unhealthy } } },
    async (_request, reply) => {
      const { state, uptimeSeconds: uptime_s } = context;
      const model = context.options.modelName;
      switch (state.status) {
        case "ready": {
          const { info, devices } = state.reranker;
          return { status: "ok" as const, model, device: info.device, devices: [...devices], uptime_s };
        }
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
    },
  );

  app.get(
    "/ready",
    {
      config,
      schema: { tags, summary: "Whether scoring works, found out by scoring", response: { 200: Probe, 503: NotReady } },
    },
    async (_request, reply) => {
      try {
        await checkReadiness();
        return { status: "ready" };
      } catch (error) {
        const known =
          error instanceof RerankError
            ? error
            : new RerankError("engine_error", "the server failed; its log says why", { cause: error });
        reply.code(503).header("retry-after", 2);
        return errorBody(known);
      }
    },
  );

  app.get("/ping", { config, schema: { tags, summary: "Whether the process runs", response: { 200: Probe } } }, async () => ({
    status: "ok",
  }));
}
