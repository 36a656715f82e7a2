/** Ports and signals: opens the port, and on SIGTERM or SIGINT finishes what runs and ends. */

import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import type { ServerContext } from "./context.js";

export interface Address {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

/** Returns the port: the given one, or for 0 the one that the system chose. Throws an error of one line when it cannot be opened. */
export async function listen(server: FastifyInstance, { host, port }: Address): Promise<number> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EADDRINUSE") {
      throw new Error(`port ${port} on ${host} is in use; choose another with --port or PORT`, { cause: error });
    }
    if (code === "EACCES") throw new Error(`port ${port} on ${host} may not be opened by this user`, { cause: error });
    if (code === "ENOTFOUND" || code === "EADDRNOTAVAIL") {
      throw new Error(`host ${host} is no address of this machine; choose another with --host or HOST`, { cause: error });
    }
    throw error;
  }
  const address = server.server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

/**
 * Lets probes say `draining` for DRAIN_DELAY_MS. Then stops accepting connections, finishes the requests in flight, refuses those
 * that still come in on open connections, and closes the model.
 */
export async function drain(server: FastifyInstance, context: ServerContext): Promise<void> {
  const { drainDelayMs = 0 } = context.options;
  if (drainDelayMs > 0) {
    context.drain({ refuse: false });
    await sleep(drainDelayMs);
  }
  context.drain();
  const closed = server.close();
  const patience = setTimeout(() => server.server.closeAllConnections(), context.options.requestTimeoutMs);
  await context.requests.idle();
  clearTimeout(patience);
  // Connections that never sent a request would hold the server open for a minute.
  server.server.closeAllConnections();
  await closed;
  context.keys[Symbol.dispose]();
  await context.lifecycle.loaded?.close();
  await context.options.tracing?.close();
}

/** The first SIGTERM or SIGINT stops; a second ends the process at once. */
export function stopOnSignals(stop: () => Promise<void>): void {
  let stopping = false;
  const onSignal = (signal: "SIGTERM" | "SIGINT") => {
    if (stopping) process.exit(128 + constants.signals[signal]);
    stopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`jina-reranker: ${error instanceof Error ? error.message : String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}

/** SIGHUP reads the key file again. Without a key file it ends the process, as it does by default. */
export function reloadOnHangUp({ keys, options }: ServerContext): void {
  if (options.apiKeysFile !== undefined) process.on("SIGHUP", () => keys.reload());
}
