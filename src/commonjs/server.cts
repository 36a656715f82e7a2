/** The server's plugin for `require`. */

import type * as esm from "../server/index.js" with { "resolution-mode": "import" };

import esModule = require("./es-module.cjs");

const server: typeof esm = esModule("jina-reranker/server", () => require("../server/index.js"));

declare namespace server {
  export type RerankServerModel = esm.RerankServerModel;
  export type RerankServerOptions = esm.RerankServerOptions;
}

export = server;
