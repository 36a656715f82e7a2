/**
 * Refuses what never reaches a route: requests that take too long to arrive, headers without end, bytes that are not HTTP. Each gets
 * an answer in the shape of all errors, a line in the log and a count, and its connection is closed.
 */

import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { FastifyBaseLogger, FastifyHttpOptions, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { RerankError } from "../errors.js";
import type { ServerContext } from "./context.js";
import { errorBody, sendError } from "./error-handler.js";
import type { Lifecycle } from "./lifecycle.js";
import { newRequestId } from "./observe/request-id.js";
import { recordRefusal } from "./observe/request-record.js";

/** Options of the HTTP server. A request may take as long to arrive as its answer may take. */
export function connectionOptions(context: ServerContext, log: () => FastifyBaseLogger) {
  const { requestTimeoutMs } = context.options;
  return {
    requestTimeout: requestTimeoutMs,
    http: {
      // Node applies the longer of the two limits to the whole request, and its default for headers is a minute.
      headersTimeout: Math.min(60_000, requestTimeoutMs),
      // Node looks for late requests this often. Its default of 30 seconds would come on top of the limit.
      connectionsCheckingInterval: Math.min(1000, requestTimeoutMs),
      // Node would answer without a body and without a log line. `registerRequestChecks` refuses instead.
      requireHostHeader: false,
    },
    clientErrorHandler: (error, socket) => {
      const reset = error.code === "ECONNRESET";
      refuse(socket, reset ? undefined : asRerankError(error, requestTimeoutMs), context, log());
    },
  } satisfies FastifyHttpOptions<Server>;
}

/** A request whose head has arrived, and how to answer it once the framework knows it. */
interface Arrived {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  answer?: (error: RerankError) => void;
  /** A fault that was found before that. */
  error?: RerankError;
}

/** The latest request of each connection. */
const latest = new WeakMap<Duplex, Arrived>();

/** Takes over the events that Node would answer itself, without a body, an id or a line in the log. */
export function watchConnections({ server, log }: FastifyInstance, context: ServerContext): void {
  // This listener has to be the first: Node may find a body broken before any hook has run.
  server.prependListener("request", (request, response) => latest.set(request.socket, { request, response }));
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
  server.on("connect", (_request: IncomingMessage, socket: Duplex) => {
    refuse(socket, new RerankError("method_not_allowed", "CONNECT is not allowed: this is no proxy"), context, log);
  });
}

/** `onRequest` of all routes: refuses what HTTP forbids and Node lets through. */
export function registerRequestChecks(fastify: FastifyInstance, context: ServerContext): void {
  fastify.addHook("onRequest", async (request, reply) => {
    const arrived = latest.get(request.raw.socket);
    if (arrived?.request === request.raw) {
      if (arrived.error) throw arrived.error;
      arrived.answer = (error) => answerForBody(error, context, request, reply);
    }
    const { host, expect } = request.headers;
    if (host === undefined && request.raw.httpVersion === "1.1") {
      throw new RerankError("invalid_request", "host: expected one, got nothing; HTTP/1.1 wants the header Host");
    }
    if (expect !== undefined && expect.toLowerCase() !== "100-continue") {
      throw new RerankError("expectation_failed", "expect: expected 100-continue or nothing, got something else");
    }
  });
}

/** Connections end with their next answer while the service drains, so that clients open new ones elsewhere. */
export function closeWhileDraining(fastify: FastifyInstance, lifecycle: Lifecycle): void {
  fastify.addHook("onSend", async (_request, reply) => {
    if (lifecycle.state.status === "draining") reply.header("connection", "close");
  });
}

/** Fails the reading of the body, which answers as for any other fault; without a reader answers itself. */
function answerForBody(error: RerankError, context: ServerContext, request: FastifyRequest, reply: FastifyReply): void {
  if (request.raw.listenerCount("error") > 0) request.raw.emit("error", error);
  else if (!reply.sent) sendError(error, context, request, reply);
}

/** Answers with the error and closes the connection; without an error only closes it. */
function refuse(
  socket: Duplex & { destroySoon?: () => void },
  error: RerankError | undefined,
  context: ServerContext,
  log: FastifyBaseLogger,
): void {
  const current = latest.get(socket);
  const close = () => {
    if (socket.destroySoon) socket.destroySoon();
    else socket.end();
  };
  // Bytes that follow the last answer of a connection are no request.
  const over = current?.response.writableFinished === true && !current.response.shouldKeepAlive;
  if (!error || !socket.writable || over) {
    close();
    return;
  }
  const ofBody = current !== undefined && !current.request.complete;
  const id = newRequestId();
  if (!ofBody) recordRefusal(context, log, { id, status: error.status });
  if (current && !current.response.writableFinished) {
    current.response.shouldKeepAlive = false;
    current.response.once("finish", close);
    // Else these bytes follow a request that is being worked on, and the client would take an answer now for that request's.
    if (!ofBody) return;
    if (current.answer) current.answer(error);
    else current.error = error;
    return;
  }
  // A request that was answered already needs no second answer.
  if (!ofBody) socket.write(rawAnswer(error, id));
  close();
}

function rawAnswer(error: RerankError, id: string): string {
  const body = JSON.stringify(errorBody(error));
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${id}`,
    "Connection: close",
  ];
  return [...head, "", body].join("\r\n");
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
