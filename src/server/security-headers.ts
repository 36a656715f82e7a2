/**
 * What browsers may do with an answer: the one place for content security policies. Answers to programs load nothing and have
 * two headers, because every request pays for them. Pages load from their own server alone and have all headers of helmet.
 */

import helmet from "@fastify/helmet";
import type { FastifyInstance } from "fastify";

type Directives = Readonly<Record<string, readonly string[]>>;

const none = ["'none'"];
const own = ["'self'"];

const page = {
  "default-src": none,
  "script-src": own,
  "style-src": own,
  "img-src": own,
  "connect-src": own,
  "base-uri": none,
  "form-action": none,
  "frame-ancestors": none,
};

function policy(directives: Directives): string {
  return Object.entries(directives)
    .map(([name, sources]) => [name, ...sources].join(" "))
    .join("; ");
}

const answerHeaders = {
  "content-security-policy": policy({ "default-src": none, "frame-ancestors": none }),
  "x-content-type-options": "nosniff",
};

/** What a page needs beside its files: hashes of the scripts and styles that stand in it, schemes of its images. */
export interface PageSources {
  readonly script?: readonly string[];
  readonly style?: readonly string[];
  readonly image?: readonly string[];
}

export function pagePolicy({ script = [], style = [], image = [] }: PageSources): string {
  return policy({ ...page, "script-src": [...own, ...script], "style-src": [...own, ...style], "img-src": [...own, ...image] });
}

export function registerAnswerHeaders(fastify: FastifyInstance): void {
  fastify.addHook("onRequest", (_request, reply, done) => {
    reply.headers(answerHeaders);
    done();
  });
}

/** For a context that serves pages and nothing else. */
export async function registerPageHeaders(fastify: FastifyInstance, sources: PageSources = {}): Promise<void> {
  await fastify.register(helmet, {
    contentSecurityPolicy: false,
    // Browsers heed these over https only, and complain about the second over http.
    strictTransportSecurity: false,
    crossOriginOpenerPolicy: false,
  });
  const pageHeaders = { "content-security-policy": pagePolicy(sources) };
  fastify.addHook("onRequest", (_request, reply, done) => {
    reply.headers(pageHeaders);
    done();
  });
}
