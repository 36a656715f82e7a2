/**
 * The playground: one page, below `assets/` its files, as bundle.mjs built them, and what it has to know of the service. They
 * need neither a model nor a key, so they are served to everybody, also while the model loads. The requests that the page sends are guarded like any other.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import type { ServerContext } from "../context.js";
import { withSlash } from "../folder-url.js";
import { registerPageHeaders } from "../security-headers.js";

/** The same from src/ and from dist/. */
const builtPage = fileURLToPath(new URL("../../../dist/playground/", import.meta.url));

export interface PlaygroundOptions {
  readonly context: ServerContext;
  /** Whether there is an API reference for the page to link to. */
  readonly docs: boolean;
}

export async function playground(fastify: FastifyInstance, { context, docs }: PlaygroundOptions): Promise<void> {
  if (!existsSync(join(builtPage, "index.html"))) {
    throw new Error(`the playground is missing in ${builtPage}; build it with: npm run build`);
  }
  // The thumbnails of images that are dropped on it.
  await registerPageHeaders(fastify, { image: ["blob:"] });
  fastify.addHook("onRoute", (route) => {
    route.config = { ...route.config, open: true };
  });
  await fastify.register(fastifyStatic, {
    root: join(builtPage, "assets"),
    prefix: "/assets/",
    index: false,
    preCompressed: true,
    // Their names change with their contents.
    immutable: true,
    maxAge: "365d",
  });
  fastify.get("/playground.json", { schema: { hide: true } }, async (_request, reply) => {
    reply.header("cache-control", "no-store");
    return requestLimits(context);
  });
  const page = docs ? "index.html" : "index-without-docs.html";
  fastify.get("/", { schema: { hide: true } }, async (request, reply) => {
    const folder = withSlash(request.url);
    if (folder !== undefined) return reply.redirect(folder);
    return reply.sendFile(page, builtPage, { immutable: false, maxAge: 0 });
  });
}

/** What a request may hold, for the page to say before megabytes are sent; page/limits.ts reads it. */
function requestLimits({ lifecycle, options }: ServerContext) {
  const limits = lifecycle.loaded?.limits;
  return {
    body_bytes: options.bodyLimitBytes,
    ...(limits && {
      images: limits.maxImages > 0,
      image_count: limits.maxImages,
      image_bytes: limits.imageMaxBytes,
      image_pixels: limits.imageMaxPixels,
    }),
  };
}
