/**
 * The table of trials: which documents, which drivers, how often. A plan is a list of trials: `full` measures the claims on the
 * real model's shape, `quick` the same on a small model, `gpu` measures a GPU, and `gpu-small` rehearses that.
 */

/** @import { DocumentSet, Trial } from "./types.js" */

/**
 * @param {number} documents
 * @param {number} tokens Of each document; the pair's prompt has the query and the template on top.
 * @returns {DocumentSet}
 */
function equal(documents, tokens) {
  return { name: `${documents} × ${tokens}`, lengths: Array.from({ length: documents }, () => tokens) };
}

/**
 * The largest accepted difference between the logits of drivers that do the same work, as a part of the logits' standard
 * deviation. Q4_K_M weights are multiplied with vectors rounded to 8 bits, and random layers amplify the rounding: on the full
 * size the difference is half a standard deviation. With different prompts it would be 1.4. The trial `check` shows on F16
 * weights that all drivers agree to a few percent.
 */
const quantized = 0.9;
const unquantized = 0.05;

/** @type {DocumentSet} */
const mixed = { name: "16 to 1,024", lengths: [512, 16, 1024, 64, 256, 32, 768, 128] };
const allLengths = [32, 128, 512, 2048];

/**
 * The trials of every plan on a CPU. `rounds` are chosen for the slow model.
 *
 * @type {readonly Trial[]}
 */
const common = [
  {
    name: "ten",
    what: "10 documents of 128 tokens, 12-token queries",
    kind: "documents",
    tolerance: quantized,
    drivers: ["file", "auto", "llama-server", "llama-server-10", "node-llama-cpp"],
    sets: [equal(10, 128)],
    warm: { default: 3, "llama-server": 0, "node-llama-cpp": 0 },
    rounds: 3,
    limit: true,
  },
  {
    name: "long",
    what: "4 documents of 512 tokens",
    kind: "documents",
    tolerance: quantized,
    drivers: ["file"],
    sets: [equal(4, 512)],
    warm: { default: 3 },
    rounds: 2,
  },
  {
    name: "hundred",
    what: "100 documents of 64 tokens",
    kind: "documents",
    tolerance: quantized,
    drivers: ["file", "llama-server-10"],
    sets: [equal(100, 64)],
    // The server computes everything each time, so a repetition is a second sample.
    warm: { default: 2, "llama-server-10": 1 },
    rounds: 1,
  },
  {
    name: "mixed",
    what: "documents of mixed lengths, and of equal ones with as many tokens",
    kind: "documents",
    tolerance: quantized,
    drivers: ["file"],
    sets: [mixed, equal(8, 350)],
    warm: { default: 0 },
    rounds: 3,
  },
  {
    name: "clients",
    what: "requests of one document of 32 tokens from 1, 8 and 64 clients",
    kind: "clients",
    drivers: ["http"],
    set: equal(1, 32),
    levels: [
      { clients: 1, requests: 16 },
      { clients: 8, requests: 32 },
      { clients: 64, requests: 64 },
    ],
    rounds: 2,
  },
  {
    name: "beside",
    what: "a request of 3 documents of 64 tokens alone, and beside two of 100 documents",
    kind: "beside",
    drivers: ["http"],
    small: equal(3, 64),
    large: equal(100, 64),
    requests: 3,
    rounds: 1,
  },
  {
    name: "memory",
    what: "peak memory of 10 documents of 128 tokens",
    kind: "documents",
    tolerance: quantized,
    drivers: ["uncached", "llama-server", "node-llama-cpp"],
    sets: [equal(10, 128)],
    warm: { default: 0 },
    rounds: 1,
  },
  {
    name: "startup",
    what: "from starting the process to the first score, one document of 32 tokens",
    kind: "startup",
    drivers: ["file", "http", "llama-server", "node-llama-cpp"],
    set: equal(1, 32),
    rounds: 3,
  },
  {
    name: "lengths",
    what: "one document of each length, and ten short ones",
    kind: "documents",
    tolerance: quantized,
    drivers: ["file", "llama-server"],
    sets: [...allLengths.map((tokens) => equal(1, tokens)), equal(10, 32)],
    warm: { default: 0 },
    rounds: 1,
  },
];

/** The tower's shape fits the full model alone. @type {Trial} */
const pages = {
  name: "pages",
  what: "a page of 644 × 896 pixels as an image, with at most 768 and 256 tokens; ten documents of 128 tokens beside ten pages",
  kind: "pages",
  drivers: ["images"],
  page: { width: 644, height: 896 },
  maxTokens: [768, 256],
  small: equal(10, 128),
  rounds: 2,
};

/** @type {Trial} */
const states = {
  name: "states",
  what: "documents computed, read from disk after a restart, and in memory",
  kind: "states",
  drivers: ["unscored"],
  sets: [equal(16, 32), equal(12, 128), equal(4, 512), equal(1, 2048)],
  rounds: 1,
};

/** @type {Trial} */
const overhead = {
  name: "overhead",
  what: "10 documents of 32 tokens known to the document cache, one client, over HTTP and in the library",
  kind: "overhead",
  drivers: ["file", "http"],
  set: equal(10, 32),
  requests: 300,
  rounds: 30,
};

/** @type {Trial} */
const grid = {
  name: "grid",
  what: "1, 10 and 100 documents of 32, 128, 512 and 2,048 tokens",
  kind: "documents",
  tolerance: quantized,
  drivers: ["file", "llama-server"],
  sets: allLengths.flatMap((tokens) => [1, 10, 100].map((documents) => equal(documents, tokens))),
  warm: { default: 0 },
  rounds: 1,
};

/** For a card: the states of 100 documents of 512 tokens take 1.6 GB. */
const cardCache = { documentCacheMb: 4096 };

/** The documents of the GPU's trials, by the name of the trial. */
export const gpuSets = {
  "gpu-128": [equal(10, 128), equal(100, 128)],
  "gpu-512": [equal(10, 512), equal(100, 512)],
};

/** Rivals on a card. */
export const gpuPeers = ["llama-server-32", "transformers", "transformers-compiled", "vllm"];

/**
 * A trial for each length: a run that was cut off repeats whole trials only.
 *
 * @param {keyof typeof gpuSets} name
 * @param {number} rounds
 * @returns {Trial}
 */
const onCard = (name, rounds) => ({
  name,
  what: `${gpuSets[name].map((set) => set.name).join(" and ")} tokens`,
  kind: "documents",
  tolerance: quantized,
  drivers: [...["file", "uncached", "auto", "auto-uncached"], ...gpuPeers],
  settings: cardCache,
  sets: gpuSets[name],
  // Without a cache a repetition would be a second cold sample.
  warm: { default: 3, uncached: 0, "auto-uncached": 0, "llama-server-32": 1, transformers: 0, "transformers-compiled": 0 },
  rounds,
  limit: true,
});

/**
 * Where the time of a batch goes, and which BATCH_TOKENS is best.
 *
 * @param {number} rounds
 * @returns {Trial}
 */
const gpuBatches = (rounds) => ({
  name: "gpu-batches",
  what: "BATCH_TOKENS from 512 to 8192, and the split of a batch's time",
  kind: "documents",
  tolerance: quantized,
  drivers: ["auto", "auto-uncached", ...[512, 1024, 4096, 8192].map((batchTokens) => `auto-uncached-${batchTokens}`)],
  settings: cardCache,
  sets: gpuSets["gpu-128"],
  warm: { default: 0, auto: 3 },
  rounds,
  split: true,
});

/**
 * Requests of ten documents from several clients, to one engine and to two on the same card.
 *
 * @param {boolean} warm
 * @param {number} requests Of each client.
 * @returns {Trial}
 */
const gpuEngines = (warm, requests) => ({
  name: warm ? "gpu-engines-warm" : "gpu-engines",
  what: `requests of 10 × 128 tokens from 1, 2, 4 and 8 clients, one engine and two, ${warm ? "known" : "new"} documents`,
  kind: "clients",
  drivers: warm ? ["auto", "auto-2"] : ["auto-uncached", "auto-uncached-2"],
  settings: cardCache,
  set: equal(10, 128),
  levels: [1, 2, 4, 8].map((clients) => ({ clients, requests: clients * requests })),
  warm,
  rounds: 1,
});

/** @type {Trial} */
const check = {
  name: "check",
  what: "whether every driver scores the same: ten documents of 24 tokens",
  kind: "documents",
  tolerance: quantized,
  drivers: ["file", "auto", "http", "llama-server", "llama-server-10", "node-llama-cpp", "transformers"],
  sets: [equal(10, 24)],
  warm: { default: 1 },
  rounds: 1,
};

/** @type {Trial} */
const checkUnquantized = { ...check, tolerance: unquantized };

/** @typedef {{ model: "full" | "small" | "small-f16" | "tiny", trial: Trial }} Planned */

/** @type {Record<"full" | "quick" | "check" | "tiny" | "gpu" | "gpu-small", readonly Planned[]>} */
export const plans = {
  full: [
    ...common.map((trial) => /** @type {const} */ ({ model: "full", trial })),
    { model: "full", trial: pages },
    { model: "full", trial: states },
    { model: "small-f16", trial: checkUnquantized },
    { model: "small", trial: overhead },
    { model: "small", trial: grid },
    { model: "tiny", trial: overhead },
  ],
  quick: [
    ...common.map((trial) => /** @type {const} */ ({ model: "small", trial })),
    { model: "small-f16", trial: checkUnquantized },
    { model: "small", trial: overhead },
    { model: "tiny", trial: overhead },
  ],
  check: [
    { model: "small-f16", trial: checkUnquantized },
    { model: "full", trial: check },
  ],
  tiny: [{ model: "tiny", trial: check }],
  gpu: [
    { model: "full", trial: onCard("gpu-128", 5) },
    { model: "full", trial: onCard("gpu-512", 5) },
    { model: "full", trial: gpuBatches(5) },
    { model: "full", trial: gpuEngines(false, 16) },
    { model: "full", trial: gpuEngines(true, 32) },
  ],
  "gpu-small": [
    { model: "tiny", trial: onCard("gpu-128", 1) },
    { model: "tiny", trial: gpuBatches(1) },
    { model: "tiny", trial: gpuEngines(false, 2) },
    { model: "tiny", trial: gpuEngines(true, 2) },
  ],
};
