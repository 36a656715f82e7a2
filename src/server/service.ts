/** The running service: it listens at once, answers `loading` while the model is read, and then scores. */

import type { FastifyBaseLogger } from "fastify";
import type { Reranker } from "../reranker.js";
import { ServerContext } from "./context.js";
import { createServer } from "./create-server.js";
import { logReloads } from "./keys.js";
import { type Address, drain, listen } from "./listen.js";
import { type Load, loadInto } from "./model-loading.js";
import type { ServerOptions } from "./options.js";

export interface ServiceOptions extends ServerOptions {
  readonly address: Address;
  readonly logger?: FastifyBaseLogger;
  /** Called once the port is open. */
  readonly load: Load;
}

export interface Service {
  readonly context: ServerContext;
  readonly port: number;
  /** Rejects when the model cannot be loaded; the service then answers `failed` until it is stopped. */
  readonly loaded: Promise<Reranker>;
  /** Finishes the requests in flight, then closes port and model. */
  stop(): Promise<void>;
}

export async function startService({ address, logger, load, ...options }: ServiceOptions): Promise<Service> {
  const context = new ServerContext(options);
  const server = createServer(context, logger);
  const port = await listen(server, address);
  context.keys.watch(logReloads(logger));
  return { context, port, loaded: loadInto(context, load, logger), stop: () => drain(server, context) };
}
