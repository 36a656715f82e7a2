/**
 * Tells when a request is over, and makes the signal that ends its work early because the client left or the time is up. Fastify's
 * own `request.signal` aborts as soon as a POST body is read, so this watches the response. Of pipelined requests only the first
 * one's response hears that the connection closed, so this watches the connection too.
 */

import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { RerankError } from "../errors.js";

export interface RequestSignal extends Disposable {
  /** Aborts with a RerankError: client_closed, timeout, or what `cancel` was given. */
  readonly signal: AbortSignal;
  cancel(reason: unknown): void;
}

/** Dispose it when the request is over: that removes its listeners and its timer. */
export function requestSignal(response: ServerResponse, timeoutMs: number): RequestSignal {
  const controller = new AbortController();
  const cancel = (reason: unknown) => controller.abort(reason);
  const forget = onResponseEnd(response, (sent) => {
    if (!sent) cancel(new RerankError("client_closed", "the client left before the answer"));
  });
  const timer = setTimeout(() => {
    cancel(new RerankError("timeout", `no answer within ${timeoutMs} ms; nothing more of the request is computed`));
  }, timeoutMs);
  return {
    signal: controller.signal,
    cancel,
    [Symbol.dispose]() {
      clearTimeout(timer);
      forget();
    },
  };
}

/** Calls `ended` once when the response is over, at once if it is over already. `sent`: whether the client was sent all of it. The
 * returned function cancels that. */
export function onResponseEnd(response: ServerResponse, ended: (sent: boolean) => void): () => void {
  const { socket } = response.req;
  const tell = () => {
    forget();
    ended(response.writableFinished);
  };
  const forget = () => {
    response.off("close", tell);
    closings(socket).delete(tell);
  };
  response.on("close", tell);
  closings(socket).add(tell);
  if (response.destroyed || socket.destroyed) tell();
  return forget;
}

/** One listener per connection, however many requests it carries. */
const watched = new WeakMap<Socket, Set<() => void>>();

function closings(socket: Socket): Set<() => void> {
  const known = watched.get(socket);
  if (known) return known;
  const callbacks = new Set<() => void>();
  watched.set(socket, callbacks);
  socket.once("close", () => {
    for (const tell of [...callbacks]) tell();
  });
  return callbacks;
}
