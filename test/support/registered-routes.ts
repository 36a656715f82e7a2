/** A server that never loads a model, and the routes that it registers. */

import type { FastifyInstance, RouteOptions } from "fastify";
import { ServerContext } from "../../src/server/context.js";
import { createServer } from "../../src/server/create-server.js";
import type { ServerOptions } from "../../src/server/options.js";

export interface Registered {
  readonly server: FastifyInstance;
  readonly context: ServerContext;
  readonly routes: readonly RouteOptions[];
}

export async function registeredRoutes(options: Partial<ServerOptions> = {}): Promise<Registered> {
  const context = new ServerContext({ modelName: "m", requestTimeoutMs: 1000, bodyLimitBytes: 1000, ...options });
  const server = createServer(context);
  const routes: RouteOptions[] = [];
  server.addHook("onRoute", (route) => {
    routes.push(route);
  });
  await server.ready();
  return { server, context, routes };
}

export function methodsOf({ method }: RouteOptions): readonly string[] {
  return Array.isArray(method) ? method : [method];
}
