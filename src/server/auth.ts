/**
 * Keys and browsers: who may ask, from which pages, and what a page may load. Refuses before a body is read. What a client
 * sent as its key is never logged or repeated.
 */

import type { IncomingHttpHeaders } from "node:http";
import cors from "@fastify/cors";
import helmet from "@fastify/helmet";
import type { FastifyInstance } from "fastify";
import { RerankError } from "../errors.js";
import type { ServerContext } from "./context.js";
import { notesOf } from "./observe/notes.js";

/** Probes come from machines that have no key, and a browser sends none for a page; neither answers with anybody's data. */
const openRoutes: ReadonlySet<string | undefined> = new Set(["/health", "/ready", "/ping", "/", "/assets/*"]);

/** Pages load from here and nowhere else. No upgrade to https: the service speaks http, and what terminates TLS says so. */
const contentSecurityPolicy = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", "data:"],
    fontSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
};

/** What is no page loads nothing. These few, since every answer of every request carries them. */
const answerHeaders = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
};

function isPage(url: string): boolean {
  return url === "/" || url.startsWith("/assets/") || url.startsWith("/docs");
}

export async function registerAuth(fastify: FastifyInstance, { options, keys }: ServerContext): Promise<void> {
  const { corsOrigins = [] } = options;
  fastify.addHook("onRequest", (_request, reply, done) => {
    reply.headers(answerHeaders);
    done();
  });
  // Before helmet's own hook, which reads what this one sets.
  fastify.addHook("onRoute", (route) => {
    if (isPage(route.url)) route.helmet = {};
  });
  await fastify.register(helmet, {
    global: false,
    contentSecurityPolicy,
    // Browsers heed these over https only, and complain about the second over http.
    strictTransportSecurity: false,
    crossOriginOpenerPolicy: false,
  });
  if (corsOrigins.length > 0) {
    await fastify.register(cors, {
      origin: corsOrigins.includes("*") ? "*" : [...corsOrigins],
      methods: ["GET", "HEAD", "POST"],
      exposedHeaders: ["Retry-After", "Server-Timing", "X-Request-Id"],
      maxAge: 600,
    });
  }
  if (!keys.wanted) return;
  fastify.addHook("onRequest", async (request, reply) => {
    // `POST /` scores.
    if (request.method !== "POST" && openRoutes.has(request.routeOptions.url)) return;
    const caller = givenKeys(request.headers)
      .map((key) => keys.caller(key))
      .find((found) => found !== undefined);
    if (caller) {
      if (caller.name !== undefined) notesOf(request).keyName = caller.name;
      return;
    }
    reply.header("www-authenticate", "Bearer");
    throw new RerankError(
      "unauthorized",
      "Authorization: expected Bearer and a key of this server, or X-Api-Key or Api-Key with one",
    );
  });
}

/** What the client sent as its key, wherever: services that clients come from want it in different headers. */
function givenKeys(headers: IncomingHttpHeaders): string[] {
  const [, bearer] = headers.authorization?.match(/^Bearer +(\S+) *$/i) ?? [];
  return [bearer, headers["x-api-key"], headers["api-key"]].flatMap((given) =>
    typeof given === "string" && given.trim() !== "" ? [given.trim()] : [],
  );
}
