/** All routes. Each is a schema, a few lines that call the reranker, and nothing else. */

import type { FastifyInstance } from "fastify";
import { registerInfo } from "./routes/info.js";
import { registerProbes } from "./routes/probes.js";
import { registerScoring } from "./routes/scoring.js";
import type { ServerContext } from "./context.js";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Logged at debug level unless it fails. */
    quiet?: boolean;
    /** Whether the client that sent this body expects errors as Text Embeddings Inference tells them. */
    speaksTei?: (body: unknown) => boolean;
  }
}

export function registerRoutes(fastify: FastifyInstance, context: ServerContext): void {
  registerProbes(fastify, context);
  registerScoring(fastify, context);
  registerInfo(fastify, context);
}
