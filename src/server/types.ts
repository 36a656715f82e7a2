/** The plugin's public shapes. */

import type { Reranker } from "../reranker.js";
import type { DemoLoadOptions, HubLoadOptions, LoadOptions } from "../types.js";

/** A reranker that the program loaded, and closes itself; or how to load one, which the plugin then closes. */
export type RerankServerModel =
  | { readonly reranker: Reranker; readonly load?: never }
  | { readonly load: LoadOptions | HubLoadOptions | DemoLoadOptions; readonly reranker?: never };

export type RerankServerOptions = RerankServerModel & {
  /** The `model` of answers; default: the name of the file that is loaded, "jina-reranker" with a `reranker`. */
  readonly modelName?: string;
  /** A page to try it out, at `/` of the prefix; default true. */
  readonly playground?: boolean;
  /** OpenAPI, at `/docs`; default true. */
  readonly docs?: boolean;
  /** Figures for Prometheus, at `/metrics`; default true. */
  readonly metrics?: boolean;
  /** Where there are any, every request needs one of them, but for probes and the playground's page. */
  readonly apiKeys?: readonly string[];
  /** The path of a file with more keys, one a line as name:key or key; read again when it changes. */
  readonly apiKeysFile?: string;
  /** Origins whose pages may read the answers, "*" = all. Not where the app has @fastify/cors already. */
  readonly corsOrigins?: readonly string[];
  /** Milliseconds before a request is answered with 504; default 60,000. */
  readonly requestTimeoutMs?: number;
  /** MiB; larger bodies are answered with 413; default 32. */
  readonly bodyLimitMb?: number;
  /** MiB for the bodies of all requests in flight and the pixels of their images, at least twice bodyLimitMb; default 256. */
  readonly bodiesLimitMb?: number;
  /** Milliseconds that JavaScript may lag before scoring is refused with 503; default 1000, 0 = no limit. */
  readonly maxEventLoopDelayMs?: number;
  /** MiB that the process may have before scoring is refused with 503; default: nine tenths of the control group's limit. */
  readonly maxRssMb?: number;
};
