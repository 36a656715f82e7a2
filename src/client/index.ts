export { RerankClient, type RerankClientOptions } from "./client.js";
export { type ClientErrorCode, RerankClientError } from "./error.js";
export type { Health, RankedDocument, RerankAnswer, RerankRequest, ServerTimings } from "./types.js";
