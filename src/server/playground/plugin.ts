/**
 * The playground: one page at `/` and its files below `/assets/`, as bundle.mjs built them. Nothing in it needs a model or a
 * key, so it is served while the model loads and whoever asks; what it asks the service for is guarded like any request.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";

declare module "fastify" {
  interface FastifySchema {
    /** Left out of the description of the HTTP interface. */
    hide?: boolean;
  }
}

/** The same from src/ and from dist/. */
const builtPage = fileURLToPath(new URL("../../../dist/playground/", import.meta.url));

/** The page is its own files and talks to its own server; documents pasted into it have no way out to anyone else. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export async function playground(fastify: FastifyInstance): Promise<void> {
  if (!existsSync(join(builtPage, "index.html"))) {
    throw new Error(`the playground is missing in ${builtPage}; build it with: npm run build`);
  }
  await fastify.register(fastifyStatic, {
    root: join(builtPage, "assets"),
    prefix: "/assets/",
    index: false,
    preCompressed: true,
    // Their names change with their contents.
    immutable: true,
    maxAge: "365d",
    setHeaders: (response) => {
      response.setHeader("x-content-type-options", "nosniff");
    },
  });
  fastify.get("/", { schema: { hide: true } }, async (_request, reply) => {
    reply.header("content-security-policy", contentSecurityPolicy);
    reply.header("referrer-policy", "no-referrer");
    return reply.sendFile("index.html", builtPage, { immutable: false, maxAge: 0 });
  });
}
