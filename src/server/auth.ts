/**
 * Refuses requests without a key before their body is read. What a client sent as its key is never logged or repeated.
 */

import type { IncomingHttpHeaders } from "node:http";
import type { FastifyInstance } from "fastify";
import { RerankError } from "../errors.js";
import type { Keys } from "./keys.js";
import { notesOf } from "./observe/notes.js";

export function registerAuth(fastify: FastifyInstance, keys: Keys): void {
  if (!keys.wanted) return;
  fastify.addHook("onRequest", async (request, reply) => {
    if (request.routeOptions.config?.open === true) return;
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

/** The keys in a request. Several headers count, because services whose clients come here read different ones. */
function givenKeys(headers: IncomingHttpHeaders): string[] {
  const [, bearer] = headers.authorization?.match(/^Bearer +(\S+) *$/i) ?? [];
  return [bearer, headers["x-api-key"], headers["api-key"]].flatMap((given) =>
    typeof given === "string" && given.trim() !== "" ? [given.trim()] : [],
  );
}
