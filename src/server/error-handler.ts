/** Turns every failure into an answer: the framework's errors become codes of the error table, and every body has one shape. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type ErrorCode, RerankError } from "../errors.js";
import type { ErrorBody } from "../wire/schemas.js";
import { type TeiErrorBody, teiErrorBody } from "../wire/tei.js";
import { smallestClaim } from "./admission.js";
import { AllowedMethods } from "./allowed-methods.js";
import { tooLarge } from "./content-encoding.js";
import type { ServerContext } from "./context.js";
import { mountPath } from "./mount-path.js";
import { notesOf } from "./observe/notes.js";
import { scoringPathList } from "./routes/paths.js";

/** Seconds of `Retry-After` for requests that are worth repeating; those of queue_full are computed. */
const retryAfterSeconds: Readonly<Partial<Record<ErrorCode, number>>> = { loading: 2, draining: 2, overloaded: 2 };

const noJson = "body: expected JSON, got nothing, text that is not JSON, or a key __proto__ or constructor.prototype";

/** The framework's errors, as the table has them. */
const frameworkErrors: Readonly<Record<string, readonly [code: ErrorCode, message: string]>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: ["invalid_json", noJson],
  FST_ERR_CTP_EMPTY_JSON_BODY: ["invalid_json", noJson],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ["unsupported_media_type", "content-type: expected application/json"],
  FST_ERR_BAD_URL: ["invalid_request", "path: expected UTF-8 in percent escapes, got something else"],
  FST_ERR_MAX_PARAM_LENGTH: ["invalid_request", "path: expected a name of a usual length, got a longer one"],
};

export function registerErrorHandling(fastify: FastifyInstance, context: ServerContext): void {
  fastify.setErrorHandler((error, request, reply) => sendError(error, context, request, reply));
  const methods = new AllowedMethods();
  const scoringPaths = scoringPathList(mountPath(fastify));
  fastify.addHook("onRoute", (route) => methods.add(route));
  fastify.setNotFoundHandler((request, reply) => {
    const url = request.url.split("?", 1)[0] ?? "/";
    const allowed = methods.of(url);
    // Routes with a name in their path answer so for names that they do not have.
    if (allowed.length === 0 || allowed.includes(request.method)) {
      const message = `no route ${request.method} ${url}; routes that score: POST ${scoringPaths}`;
      return sendError(new RerankError("not_found", message), context, request, reply);
    }
    const list = allowed.join(", ");
    reply.header("allow", list);
    const message = `${request.method} is not allowed on ${url}; allowed: ${list}`;
    return sendError(new RerankError("method_not_allowed", message), context, request, reply);
  });
}

export function sendError(error: unknown, context: ServerContext, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = asRerankError(error, context);
  if (known.status === 500) request.log.error({ err: error }, "request failed");
  const retryAfter = known.code === "queue_full" ? untilRoom(context, request) : retryAfterSeconds[known.code];
  if (retryAfter !== undefined) reply.header("retry-after", retryAfter);
  return reply.code(known.status).send(bodyFor(request, known));
}

function bodyFor(request: FastifyRequest, error: RerankError): ErrorBody | TeiErrorBody {
  return request.routeOptions?.config?.speaksTei?.(request.body) ? teiErrorBody(error) : errorBody(error);
}

function untilRoom({ admission }: ServerContext, request: FastifyRequest): number {
  const { work } = notesOf(request);
  return work ? admission.retryAfterSeconds(work.reranker, work.claim ?? smallestClaim) : 1;
}

export function errorBody({ code, message }: RerankError): ErrorBody {
  return { error: { code, message }, detail: message, message };
}

function asRerankError(error: unknown, context: ServerContext): RerankError {
  if (error instanceof RerankError) return error;
  if (!(error instanceof Error)) return new RerankError("engine_error", "the server failed; its log says why");
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return tooLarge(context.options.bodyLimitBytes);
  const known = Object.hasOwn(frameworkErrors, code) ? frameworkErrors[code] : undefined;
  if (known) return new RerankError(...known, { cause: error });
  const status = "statusCode" in error && typeof error.statusCode === "number" ? error.statusCode : 500;
  if (status >= 400 && status < 500) return new RerankError("invalid_request", error.message, { cause: error });
  return new RerankError("engine_error", "the server failed; its log says why", { cause: error });
}
