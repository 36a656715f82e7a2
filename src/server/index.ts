/** `jina-reranker/server`: the HTTP service as a Fastify plugin. */

export { rerankServer, rerankServer as default } from "./plugin.js";
export type { RerankServerModel, RerankServerOptions } from "./types.js";
