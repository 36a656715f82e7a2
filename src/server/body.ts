/**
 * Bodies: JSON in UTF-8 and nothing else. Bytes that are not UTF-8 are refused, since replacing them would score a text
 * that nobody sent.
 */

import { isUtf8 } from "node:buffer";
import type { FastifyInstance } from "fastify";
import { RerankError } from "../errors.js";

export function registerBodyParser(fastify: FastifyInstance, bodyLimit: number): void {
  // Keys that would change an object's prototype are errors.
  const parse = fastify.getDefaultJsonParser("error", "error");
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser<Buffer>("application/json", { parseAs: "buffer", bodyLimit }, (request, body, done) => {
    if (isUtf8(body)) void parse(request, body.toString("utf8"), done);
    else done(new RerankError("invalid_json", "body: expected UTF-8, got bytes that are not"));
  });
}
