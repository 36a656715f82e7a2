/** The table of drivers: each way of computing scores that is measured, with its name on the command line. */

/** @import { DriverEntry, DriverModule } from "../types.js" */

/** @type {readonly DriverEntry[]} */
export const drivers = [
  {
    name: "file",
    label: "jina-reranker",
    module: "library",
    settings: { precision: "file" },
  },
  {
    name: "auto",
    label: "jina-reranker, PRECISION=auto",
    module: "library",
    settings: { precision: "auto" },
  },
  {
    name: "f16",
    label: "jina-reranker, PRECISION=f16",
    module: "library",
    settings: { precision: "f16" },
  },
  {
    name: "bf16",
    label: "jina-reranker, PRECISION=bf16",
    module: "library",
    settings: { precision: "bf16" },
  },
  .../** @type {const} */ (["auto", "bf16"]).map((precision) => ({
    name: `${precision}-uncached`,
    label: `jina-reranker, PRECISION=${precision}, no document cache`,
    module: /** @type {const} */ ("library"),
    settings: { precision, documentCacheMb: 0 },
  })),
  ...[512, 4096, 8192].map((batchTokens) => ({
    name: `f16-${batchTokens}`,
    label: `jina-reranker, PRECISION=f16, ${batchTokens} tokens a batch`,
    module: /** @type {const} */ ("library"),
    settings: { precision: /** @type {const} */ ("f16"), batchTokens },
  })),
  {
    name: "uncached",
    label: "jina-reranker, no document cache",
    module: "library",
    settings: { precision: "file", documentCacheMb: 0 },
  },
  {
    name: "unscored",
    label: "jina-reranker, no score cache",
    module: "library",
    settings: { precision: "file", scoreCacheMb: 0 },
  },
  {
    name: "images",
    label: "jina-reranker with images, no caches",
    module: "library",
    settings: { precision: "file", documentCacheMb: 0 },
  },
  {
    name: "http",
    label: "jina-reranker over HTTP",
    module: "http",
    settings: { precision: "file" },
  },
  { name: "llama-server", label: "llama-server", module: "llama-server", settings: {} },
  { name: "llama-server-10", label: "llama-server, 10 slots", module: "llama-server", settings: { slots: 10 } },
  {
    name: "llama-server-32",
    label: "llama-server, 32 slots, 4096 tokens a batch",
    module: "llama-server",
    settings: { slots: 32, batchTokens: 4096 },
  },
  { name: "node-llama-cpp", label: "node-llama-cpp", module: "node-llama-cpp", settings: {} },
  { name: "transformers", label: "transformers, bf16", module: "transformers", settings: {}, ownWeights: true },
];

/**
 * @param {string} name
 * @returns {DriverEntry}
 */
export function driverNamed(name) {
  const entry = drivers.find((candidate) => candidate.name === name);
  if (!entry) throw new Error(`${name}: expected one of the drivers ${drivers.map((candidate) => candidate.name).join(", ")}`);
  return entry;
}

/**
 * Loads a driver's module only when it is needed: a rival that is not installed must not stop the others.
 *
 * @param {DriverEntry} entry
 * @returns {Promise<DriverModule>}
 */
export async function driverModule({ module }) {
  switch (module) {
    case "library":
      return await import("./library.mjs");
    case "http":
      return await import("./http.mjs");
    case "llama-server":
      return await import("./llama-server.mjs");
    case "node-llama-cpp":
      return await import("./node-llama-cpp.mjs");
    case "transformers":
      return await import("./transformers.mjs");
  }
}
