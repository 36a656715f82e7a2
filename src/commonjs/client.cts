/** The client for `require`. */

import type * as esm from "../client/index.js" with { "resolution-mode": "import" };

import esModule = require("./es-module.cjs");

const client: typeof esm = esModule("jina-reranker/client", () => require("../client/index.js"));

declare namespace client {
  export type ClientErrorCode = esm.ClientErrorCode;
  export type Health = esm.Health;
  export type RankedDocument = esm.RankedDocument;
  export type RerankAnswer = esm.RerankAnswer;
  export type RerankClient = esm.RerankClient;
  export type RerankClientError = esm.RerankClientError;
  export type RerankClientOptions = esm.RerankClientOptions;
  export type RerankRequest = esm.RerankRequest;
  export type ServerTimings = esm.ServerTimings;
}

export = client;
