/** The running service: it listens at once, answers `loading` while the model is read, and then scores. */

import type { FastifyBaseLogger } from "fastify";
import type { Transfer } from "../model/transfer.js";
import type { Reranker } from "../reranker.js";
import type { LoadActivity } from "../types.js";
import { createServer } from "./create-server.js";
import { type Address, drain, listen } from "./listen.js";
import type { ServerOptions } from "./options.js";
import { ServerContext } from "./context.js";

export interface ServiceOptions extends ServerOptions {
  readonly address: Address;
  readonly logger?: FastifyBaseLogger;
  /** Called once the port is open; reports a fraction from 0 to 1 of what it is busy with. */
  readonly load: (onProgress: (fraction: number, what: Transfer | LoadActivity) => void) => Promise<Reranker>;
}

export interface Service {
  readonly context: ServerContext;
  readonly port: number;
  /** Rejects when the model cannot be loaded; the service then answers `failed` until it is stopped. */
  readonly loaded: Promise<Reranker>;
  /** Answers what runs, then closes port and model. */
  stop(): Promise<void>;
}

export async function startService({ address, logger, load, ...options }: ServiceOptions): Promise<Service> {
  const context = new ServerContext(options);
  const server = createServer(context, logger);
  const port = await listen(server, address);
  context.keys.watch({
    onReloaded: (count) => logger?.info({ keys: count }, "API_KEYS_FILE was read again"),
    onError: (error) => logger?.error({ err: error }, "API_KEYS_FILE was not taken; the keys stay as they were"),
  });
  return { context, port, loaded: loadInto(context, load, logger), stop: () => drain(server, context) };
}

async function loadInto(context: ServerContext, load: ServiceOptions["load"], logger?: FastifyBaseLogger): Promise<Reranker> {
  try {
    const reranker = await load((fraction, what) => context.lifecycle.loading(fraction, what));
    reranker.onDeviceFailed(({ device, reason }) => logger?.warn({ device, reason }, "a device was taken out"));
    if (!context.lifecycle.ready(reranker)) await reranker.close();
    return reranker;
  } catch (error) {
    context.lifecycle.fail(error instanceof Error ? error.message : String(error));
    throw error;
  }
}
