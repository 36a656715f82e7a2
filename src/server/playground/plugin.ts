/**
 * The playground: one page and, below `assets/`, its files, as bundle.mjs built them. They need neither a model nor a key, so
 * they are served to everybody, also while the model loads. The requests that the page sends are guarded like any other.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import { withSlash } from "../folder-url.js";
import { registerPageHeaders } from "../security-headers.js";

/** The same from src/ and from dist/. */
const builtPage = fileURLToPath(new URL("../../../dist/playground/", import.meta.url));

/** `docs`: whether there is an API reference for the page to link to. */
export async function playground(fastify: FastifyInstance, { docs }: { readonly docs: boolean }): Promise<void> {
  if (!existsSync(join(builtPage, "index.html"))) {
    throw new Error(`the playground is missing in ${builtPage}; build it with: npm run build`);
  }
  await registerPageHeaders(fastify);
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
  const page = docs ? "index.html" : "index-without-docs.html";
  fastify.get("/", { schema: { hide: true } }, async (request, reply) => {
    const folder = withSlash(request.url);
    if (folder !== undefined) return reply.redirect(folder);
    return reply.sendFile(page, builtPage, { immutable: false, maxAge: 0 });
  });
}
