export { RerankClient, type RerankClientOptions } from "./client.js";
export { type ClientErrorCode, RerankClientError } from "./error.js";
export type { Content, Health, ImageInput, RankedDocument, RerankAnswer, RerankRequest, ServerTimings } from "./types.js";
