/**
 * Clients that never get as far as a route: a request that takes too long to arrive, headers without end, bytes that are
 * not HTTP. Each gets an answer in the shape of all errors, and its connection is closed.
 */

import { type Server, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { FastifyHttpOptions } from "fastify";
import { RerankError } from "../errors.js";
import { errorBody } from "./error-handler.js";

/** Options of the HTTP server. A request may take as long to arrive as its answer may take to be made. */
export function connectionOptions(requestTimeoutMs: number) {
  return {
    requestTimeout: requestTimeoutMs,
    http: {
      // Node takes the longer of the two for the whole request, and its own default for headers is a minute.
      headersTimeout: Math.min(60_000, requestTimeoutMs),
      // How often Node looks for requests that are late: its own default of 30 seconds would be added to the limit.
      connectionsCheckingInterval: Math.min(1000, requestTimeoutMs),
    },
    clientErrorHandler: (error, socket) => refuse(error, socket, requestTimeoutMs),
  } satisfies FastifyHttpOptions<Server>;
}

function refuse(error: NodeJS.ErrnoException, socket: Socket, requestTimeoutMs: number): void {
  if (error.code !== "ECONNRESET" && socket.writable) {
    const known = asRerankError(error, requestTimeoutMs);
    const body = JSON.stringify(errorBody(known));
    socket.write(
      [
        `HTTP/1.1 ${known.status} ${STATUS_CODES[known.status]}`,
        "Content-Type: application/json; charset=utf-8",
        `Content-Length: ${Buffer.byteLength(body)}`,
        "Connection: close",
        "",
        body,
      ].join("\r\n"),
    );
  }
  socket.destroySoon();
}

function asRerankError({ code }: NodeJS.ErrnoException, requestTimeoutMs: number): RerankError {
  switch (code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new RerankError("request_timeout", `the request did not arrive within ${requestTimeoutMs} ms`);
    case "HPE_HEADER_OVERFLOW":
      return new RerankError("headers_too_large", "headers: expected at most 16 KiB");
    default:
      return new RerankError("invalid_request", "expected an HTTP/1.1 request, got something else");
  }
}
