/** The client for `require`. */

import type * as esm from "../client/index.js" with { "resolution-mode": "import" };

import esModule = require("./es-module.cjs");

const client: typeof esm = esModule("jina-reranker/client", () => require("../client/index.js"));

declare namespace client {
  export type ClientErrorCode = esm.ClientErrorCode;
  export type Content = esm.Content;
  export type Health = esm.Health;
  export type ImageInput = esm.ImageInput;
  export type RankedDocument<Document extends esm.Content = string> = esm.RankedDocument<Document>;
  export type RerankAnswer<Document extends esm.Content = string> = esm.RerankAnswer<Document>;
  export type RerankClient = esm.RerankClient;
  export type RerankClientError = esm.RerankClientError;
  export type RerankClientOptions = esm.RerankClientOptions;
  export type RerankRequest<Document extends esm.Content = string> = esm.RerankRequest<Document>;
  export type ServerTimings = esm.ServerTimings;
}

export = client;
