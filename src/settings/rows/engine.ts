/** How a model is computed, and what a request may have: options of the library, under the same names. */

import { gpuNames } from "../gpu-names.js";
import { oneOf, text, toggle, wholeNumber } from "../kinds.js";
import { setting } from "../setting.js";

/** Every command that loads a model takes these. */
export const engineRows = {
  contextSize: setting({
    kind: wholeNumber(16, 1_048_576),
    default: 8192,
    environment: "CTX_SIZE",
    flag: "--ctx-size",
    help: "tokens a (query, document) pair may have",
  }),
  backend: setting({
    kind: oneOf("auto", "cpu", "cuda", "metal", "vulkan"),
    default: "auto",
    environment: "BACKEND",
    flag: "--backend",
    help: "what computes: auto = a GPU when one can be used, else the CPU; a name = that backend, or the start fails",
  }),
  gpuLayers: setting({
    kind: wholeNumber(0, 9999),
    default: 999,
    environment: "N_GPU_LAYERS",
    flag: "--n-gpu-layers",
    help: "layers to offload to a GPU, 0 = CPU",
  }),
  gpus: setting({
    kind: gpuNames(),
    default: undefined,
    defaultText: "the first GPU, or the CPU without one",
    environment: "GPUS",
    flag: "--gpus",
    help: "an engine on each of these GPUs, behind one queue; 0,0 is two on the first GPU, cpu one on the CPU",
  }),
  threads: setting({
    kind: wholeNumber(1, 512, true),
    default: 0,
    defaultText: "physical cores",
    environment: "N_THREADS",
    flag: "--n-threads",
    help: "CPU threads",
  }),
  batchTokens: setting({
    kind: wholeNumber(64, 65_536, true),
    default: 0,
    defaultText: "512 on a CPU, 2048 on a GPU",
    environment: "BATCH_TOKENS",
    flag: "--batch-tokens",
    help: "tokens in one batch",
  }),
  precision: setting({
    kind: oneOf("auto", "file", "f16", "bf16", "q8_0"),
    default: "auto",
    environment: "PRECISION",
    flag: "--precision",
    help: "precision that weights are computed in; auto: the one this machine computes fastest, file: as they are in the file",
  }),
  reproducible: setting({
    kind: oneOf("auto", "exact", "fast"),
    default: "auto",
    defaultText: "exact on a CPU, fast on a GPU",
    environment: "REPRODUCIBLE",
    flag: "--reproducible",
    help: "exact: scores do not depend on the batch, bit for bit: always so on a CPU, refused on a GPU",
  }),
  kvType: setting({
    kind: oneOf("f16", "f32", "q8_0"),
    default: "f16",
    environment: "KV_TYPE",
    flag: "--kv-type",
    help: "type of the KV cache; q8_0 doubles what the document cache holds",
  }),
  maxQueuedPairs: setting({
    kind: wholeNumber(1, 10_000_000),
    default: 2000,
    environment: "MAX_QUEUED_PAIRS",
    flag: "--max-queued-pairs",
    help: "pairs that may wait; requests beyond them get 429",
  }),
  documentCacheMb: setting({
    kind: wholeNumber(0, 16_777_216),
    default: 1024,
    environment: "DOCUMENT_CACHE_MB",
    flag: "--document-cache-mb",
    help: "MiB of the device's memory for document prefixes, 0 = off; on a GPU at most half of what the weights leave",
  }),
  documentCacheDir: setting({
    kind: text("a path", "<dir>"),
    default: undefined,
    environment: "DOCUMENT_CACHE_DIR",
    flag: "--document-cache-dir",
    help: "a folder in which document states and scores outlive the process; several processes and hosts may share it",
  }),
  documentCacheDiskMb: setting({
    kind: wholeNumber(1, 1_073_741_824),
    default: 10_240,
    environment: "DOCUMENT_CACHE_DISK_MB",
    flag: "--document-cache-disk-mb",
    help: "MiB that the folder may take, whoever writes into it; what was used least recently goes first",
  }),
  scoreCacheMb: setting({
    kind: wholeNumber(0, 16_777_216),
    default: 16,
    environment: "SCORE_CACHE_MB",
    flag: "--score-cache-mb",
    help: "MiB of host memory for the scores of recent pairs, 0 = off",
  }),
  deduplicate: setting({
    kind: toggle("<true|false>"),
    default: true,
    environment: "DEDUPLICATE",
    flag: "--deduplicate",
    help: "compute documents that occur twice in a request once",
  }),
};

/** Of the commands only `serve` takes these: the others cut their input into requests themselves. */
export const requestRows = {
  maxDocuments: setting({
    kind: wholeNumber(1, 1_000_000),
    default: undefined,
    defaultText: "100 in the service's own dialect, 1000 in the others",
    environment: "MAX_DOCUMENTS",
    flag: "--max-documents",
    help: "documents in one request; set, it holds for all dialects",
  }),
  maxImages: setting({
    kind: wholeNumber(1, 1_000_000),
    default: 20,
    environment: "MAX_IMAGES",
    flag: "--max-images",
    help: "images in one request, the query's included",
  }),
};
