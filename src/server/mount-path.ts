/** The path that the service is mounted at, without a slash at its end; empty = the root. */

import type { FastifyInstance } from "fastify";

export function mountPath({ prefix }: Pick<FastifyInstance, "prefix">): string {
  return prefix.replace(/\/+$/, "");
}
