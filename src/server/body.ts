/**
 * Bodies: JSON in UTF-8 and nothing else. Bytes that are not UTF-8 are refused, since replacing them would score a text
 * that nobody sent.
 */

import { isUtf8 } from "node:buffer";
import type { FastifyInstance } from "fastify";
import { RerankError } from "../errors.js";
import { hasMoreStructures } from "../wire/structures.js";
import { tooManyValues } from "../wire/tolerance.js";

/** Fields that are not read may have as many values, and more. */
const unreadShare = 3;

/** `mostValues`: items and fields that are read of a body. */
export function registerBodyParser(fastify: FastifyInstance, bodyLimit: number, mostValues: () => number): void {
  // Keys that would change an object's prototype are errors.
  const parse = fastify.getDefaultJsonParser("error", "error");
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser<Buffer>("application/json", { parseAs: "buffer", bodyLimit }, (request, body, done) => {
    const most = unreadShare * mostValues();
    if (!isUtf8(body)) done(new RerankError("invalid_json", "body: expected UTF-8, got bytes that are not"));
    else if (hasMoreStructures(body, most)) done(tooManyValues(most));
    else void parse(request, body.toString("utf8"), done);
  });
}
