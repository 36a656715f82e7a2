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
    name: "auto-uncached",
    label: "jina-reranker, PRECISION=auto, no document cache",
    module: "library",
    settings: { precision: "auto", documentCacheMb: 0 },
  },
  ...[512, 1024, 4096, 8192].map((batchTokens) => ({
    name: `auto-uncached-${batchTokens}`,
    label: `jina-reranker, PRECISION=auto, no document cache, BATCH_TOKENS=${batchTokens}`,
    module: /** @type {const} */ ("library"),
    settings: { precision: /** @type {const} */ ("auto"), documentCacheMb: 0, batchTokens },
  })),
  {
    name: "auto-2",
    label: "jina-reranker, PRECISION=auto, two engines on the device",
    module: "library",
    settings: { precision: "auto", engines: 2 },
  },
  {
    name: "auto-uncached-2",
    label: "jina-reranker, PRECISION=auto, no document cache, two engines on the device",
    module: "library",
    settings: { precision: "auto", documentCacheMb: 0, engines: 2 },
  },
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
  {
    name: "transformers-compiled",
    label: "transformers, bf16, torch.compile",
    module: "transformers",
    settings: { compiled: true },
    ownWeights: true,
  },
  { name: "vllm", label: "vLLM, bf16", module: "vllm", settings: {}, ownWeights: true },
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
    case "vllm":
      return await import("./vllm.mjs");
  }
}
