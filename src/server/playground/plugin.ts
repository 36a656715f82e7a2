/**
 * The playground: one page, below `assets/` its files, and what it has to know of the service. They
 * need neither a model nor a key, so they are served to everybody, also while the model loads. The requests that the page sends are guarded like any other.
 */

import type { FastifyInstance } from "fastify";
import type { ServerContext } from "../context.js";
import { serveBuiltPage } from "../pages/built-page.js";
import { registerPageHeaders } from "../security-headers.js";

export interface PlaygroundOptions {
  readonly context: ServerContext;
  /** Whether there is an API reference for the page to link to. */
  readonly docs: boolean;
}

export async function playground(fastify: FastifyInstance, { context, docs }: PlaygroundOptions): Promise<void> {
  // The thumbnails of images that are dropped on it.
  await registerPageHeaders(fastify, { image: ["blob:"] });
  fastify.addHook("onRoute", (route) => {
    route.config = { ...route.config, open: true };
  });
  fastify.get("/playground.json", { schema: { hide: true } }, async (_request, reply) => {
    reply.header("cache-control", "no-store");
    return requestLimits(context);
  });
  serveBuiltPage(fastify, { name: "playground", html: docs ? "index.html" : "index-without-docs.html" });
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
