/**
 * Serves a page and its files as bundle.mjs built them. They are few and known, so they are read once, at the start, and no path
 * of a request ever names a file.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
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
  for (const file of readdirSync(assets)) {
    fastify.get(`/assets/${basename(file, ".gz")}`, route, assetAnswer(join(assets, file)));
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

/**
 * The name of a file changes with its content, so a browser asks for it once. What is compressed is so already in the package, and
 * unpacked for clients that want it plain.
 */
function assetAnswer(path: string): Answer {
  const content = readFileSync(path);
  const compressed = path.endsWith(".gz");
  const headers = {
    "content-type": contentTypes[extname(basename(path, ".gz"))] ?? "application/octet-stream",
    "cache-control": "public, max-age=31536000, immutable",
  };
  return (request, reply) => {
    reply.headers(headers);
    if (!compressed) return reply.send(content);
    // Beside the origin, where answers depend on it.
    reply.header("vary", [reply.getHeader("vary"), "accept-encoding"].filter(Boolean).join(", "));
    const accepted = accepts(request.headers["accept-encoding"], "gzip");
    return accepted ? reply.header("content-encoding", "gzip").send(content) : reply.send(gunzipSync(content));
  };
}

/** Whether an Accept-Encoding names the coding, and not with a quality of 0, which refuses it. */
function accepts(header: string | string[] | undefined, coding: string): boolean {
  return String(header ?? "")
    .split(",")
    .some((part) => {
      const [name = "", parameter = "q=1"] = part.toLowerCase().split(";");
      const [, quality] = parameter.split("=");
      return name.trim() === coding && Number(quality) > 0;
    });
}
