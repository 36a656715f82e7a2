/** Which web pages may send requests and read the answers. */

import cors from "@fastify/cors";
import type { FastifyInstance } from "fastify";

/** `origins`: "*" among them = all. Without any, browsers keep answers from pages of other origins. */
export async function registerCors(fastify: FastifyInstance, origins: readonly string[] = []): Promise<void> {
  if (origins.length === 0) return;
  await fastify.register(cors, {
    origin: origins.includes("*") ? "*" : [...origins],
    methods: ["GET", "HEAD", "POST"],
    exposedHeaders: ["Preference-Applied", "Retry-After", "Server-Timing", "X-Request-Id"],
    maxAge: 600,
  });
}
