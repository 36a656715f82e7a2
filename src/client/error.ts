/** The client's error, and how it is made from an answer that is no success. */

import type { ErrorCode } from "../errors.js";
import { retryAfterMs } from "../retries/delays.js";
import { redirectedTo } from "./address.js";
import { member, parseJson } from "./json.js";

/**
 * The server's code, or `network_error`: no complete answer came, or `unexpected_answer`: the answer is not the service's, so
 * something else listens there. Codes that this version does not know are passed on.
 */
export type ClientErrorCode = ErrorCode | "network_error" | "unexpected_answer" | (string & Record<never, never>);

export interface ClientErrorDetails {
  readonly status?: number | undefined;
  readonly retryAfterSeconds?: number | undefined;
  readonly requestId?: string | undefined;
  readonly cause?: unknown;
}

export class RerankClientError extends Error {
  override readonly name = "RerankClientError";
  readonly code: ClientErrorCode;
  /** HTTP status; undefined when no answer came. */
  readonly status: number | undefined;
  /** Seconds from `Retry-After`; undefined when it was absent. */
  readonly retryAfterSeconds: number | undefined;
  /** `X-Request-Id`; the server's log has it too. */
  readonly requestId: string | undefined;

  constructor(code: ClientErrorCode, message: string, details: ClientErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.requestId = details.requestId;
  }
}

export function failureOf(response: Response, body: string): RerankClientError {
  const error = member(parseJson(body), "error");
  const code = member(error, "code");
  const message = member(error, "message");
  const wait = retryAfterMs(response.headers);
  const details = {
    status: response.status,
    retryAfterSeconds: wait === undefined ? undefined : wait / 1000,
    requestId: response.headers.get("x-request-id") ?? undefined,
  };
  const place = redirectedTo(response);
  // fetch repeats a redirected POST as GET. "Method not allowed" would then hide the redirect, which is the cause.
  if (place !== undefined && (typeof code !== "string" || code === "method_not_allowed")) return redirected(place, details);
  if (typeof code === "string" && typeof message === "string") return new RerankClientError(code, message, details);
  return new RerankClientError("unexpected_answer", `status ${response.status} without an error of the service's shape`, details);
}

export function redirected(place: string, details: ClientErrorDetails): RerankClientError {
  const message = `the request was redirected to ${place}, and not answered there; set baseUrl to the service's own address`;
  return new RerankClientError("unexpected_answer", message, details);
}
