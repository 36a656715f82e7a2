/** Ids of requests: in the log, in `X-Request-Id`, in spans. */

import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** The log's field. */
export const requestIdLabel = "request_id";

/** The client's own id where it can stand in a log line as it is, else a new one. */
export function requestId(headers: IncomingHttpHeaders): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && /^[\w.:-]{1,128}$/.test(given) ? given : newRequestId();
}

export function newRequestId(): string {
  return randomUUID();
}
