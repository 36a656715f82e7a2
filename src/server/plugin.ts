/** The service in a Fastify app of one's own, under a prefix: everything but the port, the signals and the process. */

import type { FastifyInstance, FastifyPluginAsync } from "fastify";
import { Reranker } from "../reranker.js";
import { app } from "./app.js";
import { ServerContext } from "./context.js";
import { logReloads } from "./keys.js";
import { loadInto, logFailedDevices } from "./model-loading.js";
import { resolvePlugin } from "./plugin-options.js";
import type { RerankServerModel, RerankServerOptions } from "./types.js";

/**
 * To be registered with a `prefix`: `await app.register(rerankServer, { prefix: "/ranking", reranker })`. Its routes, hooks,
 * parsers and error handlers stay below the prefix, so it may be registered several times. With `load` it answers `loading`
 * until the model is there. Throws invalid_option.
 */
export const rerankServer: FastifyPluginAsync<RerankServerOptions> = async (fastify, options) => {
  const { model, extras, server } = resolvePlugin(options);
  const context = new ServerContext(server);
  await app(fastify, { context, ...extras });
  context.keys.watch(logReloads(fastify.log));
  const release = hold(model, context, fastify);
  fastify.addHook("preClose", async () => context.drain());
  // The requests of the app's own server are over by now; those that were injected may not be.
  fastify.addHook("onClose", async () => {
    await context.requests.idle();
    context.keys[Symbol.dispose]();
    await release();
  });
};

/** Gives the service its reranker, at once or when it is loaded. The function that it returns lets go of it. */
function hold({ reranker, load }: RerankServerModel, context: ServerContext, { log }: FastifyInstance): () => Promise<void> {
  if (load === undefined) {
    context.lifecycle.ready(reranker);
    const forget = logFailedDevices(reranker, log);
    return async () => forget();
  }
  const closing = new AbortController();
  // To fetch a model may take minutes.
  const fetching = "model" in load && { signal: AbortSignal.any([closing.signal, ...(load.signal ? [load.signal] : [])]) };
  const loaded = loadInto(
    context,
    (report) =>
      Reranker.load({
        ...load,
        ...fetching,
        logger: load.logger ?? log,
        onProgress: (fraction, activity) => {
          report(fraction, activity);
          load.onProgress?.(fraction, activity);
        },
      }),
    log,
  ).catch((error: unknown) => {
    if (!closing.signal.aborted) log.error({ err: error }, "the model could not be loaded");
    return undefined;
  });
  return async () => {
    closing.abort();
    await (await loaded)?.close();
  };
}
