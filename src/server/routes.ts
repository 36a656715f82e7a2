/** All routes. Each is a schema, a few lines that call the reranker, and nothing else. */

import type { FastifyInstance } from "fastify";
import "./route-config.js";
import type { ServerContext } from "./context.js";
import { registerDocuments } from "./routes/documents.js";
import { registerInfo } from "./routes/info.js";
import { registerProbes } from "./routes/probes.js";
import { registerScoring } from "./routes/scoring.js";

export function registerRoutes(fastify: FastifyInstance, context: ServerContext): void {
  registerProbes(fastify, context);
  registerScoring(fastify, context);
  registerDocuments(fastify, context);
  registerInfo(fastify, context);
}
