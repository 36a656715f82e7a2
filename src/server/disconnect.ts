/**
 * The signal that ends a request's work early: its client left, or its time is up. Fastify's own `request.signal` aborts as
 * soon as a POST body is read, so this one watches the response: closed and not finished means that the client left.
 */

import type { ServerResponse } from "node:http";
import { RerankError } from "../errors.js";

export interface RequestSignal extends Disposable {
  /** Aborts with a RerankError: client_closed or timeout. */
  readonly signal: AbortSignal;
}

/** Dispose it when the request is over: its listener and its timer go in one place. */
export function requestSignal(response: ServerResponse, timeoutMs: number): RequestSignal {
  const controller = new AbortController();
  const onClose = () => {
    if (!response.writableFinished) controller.abort(new RerankError("client_closed", "the client left before the answer"));
  };
  const timer = setTimeout(() => {
    controller.abort(new RerankError("timeout", `no answer within ${timeoutMs} ms; nothing more of the request is computed`));
  }, timeoutMs);
  response.on("close", onClose);
  if (response.destroyed) onClose();
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      response.off("close", onClose);
    },
  };
}
