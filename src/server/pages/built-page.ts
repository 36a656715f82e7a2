/**
 * Serves a page and its files as bundle.mjs built them. They are few and known, so they are read once, at the start, and no path
 * of a request ever names a file.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { withSlash } from "../folder-url.js";

/** The same from src/ and from dist/. */
const built = fileURLToPath(new URL("../../../dist/", import.meta.url));

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

/** Content codings, best first, and the endings of the files that have them. */
const codings = [
  ["br", ".br"],
  ["gzip", ".gz"],
] as const;

export interface BuiltPage {
  /** Its folder below dist/. */
  readonly name: string;
  /** The HTML file there. */
  readonly html: string;
}

/** At the context's prefix; the files at `assets/` below it. Throws when the page is not built. */
export function serveBuiltPage(fastify: FastifyInstance, { name, html }: BuiltPage): void {
  const folder = join(built, name);
  if (!existsSync(join(folder, html))) throw new Error(`the ${name} is missing in ${folder}; build it with: npm run build`);
  const route = { schema: { hide: true } };
  const answer = pageAnswer(readFileSync(join(folder, html)));
  fastify.get("/", route, (request, reply) => {
    const redirect = withSlash(request.url);
    return redirect === undefined ? answer(request, reply) : reply.redirect(redirect);
  });
  const assets = join(folder, "assets");
  for (const file of readdirSync(assets).filter((entry) => extname(entry) in contentTypes)) {
    fastify.get(`/assets/${file}`, route, assetAnswer(join(assets, file)));
  }
}

type Answer = (request: FastifyRequest, reply: FastifyReply) => FastifyReply;

/** The page itself is asked for each time, and sent only when it changed. */
function pageAnswer(content: Buffer): Answer {
  const etag = `"${createHash("sha256").update(content).digest("base64url")}"`;
  return (request, reply) => {
    reply.headers({ "content-type": contentTypes[".html"], "cache-control": "public, max-age=0", etag });
    const known = request.headers["if-none-match"]?.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
    return known ? reply.code(304).send() : reply.send(content);
  };
}

/** The name of a file changes with its content, so a browser asks for it once. */
function assetAnswer(path: string): Answer {
  const plain = readFileSync(path);
  const coded = codings
    .map(([coding, ending]) => ({ coding, path: `${path}${ending}` }))
    .filter((variant) => existsSync(variant.path))
    .map((variant) => ({ coding: variant.coding, content: readFileSync(variant.path) }));
  const headers = {
    "content-type": contentTypes[extname(path)],
    "cache-control": "public, max-age=31536000, immutable",
    vary: "accept-encoding",
  };
  return (request, reply) => {
    reply.headers(headers);
    const chosen = coded.find(({ coding }) => accepts(request.headers["accept-encoding"], coding));
    return chosen ? reply.header("content-encoding", chosen.coding).send(chosen.content) : reply.send(plain);
  };
}

/** Whether an Accept-Encoding names the coding, and not with a quality of 0, which refuses it. */
export function accepts(header: string | string[] | undefined, coding: string): boolean {
  const named = String(header ?? "")
    .split(",")
    .map((part) =>
      part
        .trim()
        .toLowerCase()
        .split(/\s*;\s*q\s*=\s*/),
    );
  return named.some(([name, quality = "1"]) => name === coding && Number(quality) > 0);
}
