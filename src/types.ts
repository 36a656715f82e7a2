/** The library's public shapes. The shapes of HTTP (snake_case) are in src/wire, those of the addon in binding.d.ts. */

import type { DeviceMemory, EngineInfo, EngineStats } from "../binding.js";

export type { DeviceMemory, EngineInfo, EngineStats };

/** The options for a model in files of this machine. undefined counts as absent. */
export interface LoadOptions {
  /** Path of the GGUF. */
  modelPath: string;
  /** Path of the score head; default: `mlp_weights.npz` beside the GGUF. */
  headPath?: string;
  /** Path of the vision tower's GGUF (mmproj), with which images are scored too; without it they are refused. */
  mmprojPath?: string;
  /** Tokens a (query, document) pair may have, 16 to 1,048,576; default 8192. */
  contextSize?: number;
  /**
   * What computes. "auto", the default: a GPU when one can be used, else the CPU. A name: that one; when it cannot be used,
   * loading fails with backend_unavailable, which says why and what to do.
   */
  backend?: "auto" | "cpu" | "cuda" | "metal" | "vulkan";
  /** Layers to offload, 0 = CPU; default 999, which is all. */
  gpuLayers?: number;
  /**
   * An engine on each of these behind one queue: numbers of GPUs from 0, or "cpu", also the same several times; default:
   * one engine, on the first GPU, or on the CPU without one.
   */
  gpus?: readonly (number | "cpu")[] | undefined;
  /** CPU threads; default: the physical cores this process may run on. */
  threads?: number;
  /** Tokens in one batch; default 512 on a CPU, 2048 on a GPU. */
  batchTokens?: number;
  /**
   * Whether a score may depend, in its last bits, on what runs beside it. On a CPU it never does, whatever is asked for; on a
   * GPU it may, and "exact" is refused.
   */
  reproducible?: "auto" | "exact" | "fast";
  /**
   * Precision the weights are computed in; default "auto": the one that this machine computes fastest, which is known of a GPU and
   * measured once for each model on a CPU. "file": the weights as they are in the file.
   */
  precision?: Precision | "auto";
  /** Type of the KV cache; default f16. f32 is for parity tests, q8_0 doubles what the document cache holds. */
  kvType?: "f16" | "f32" | "q8_0";
  /** Pairs that may wait before a request is refused with queue_full; default 2000. */
  maxQueuedPairs?: number;
  /** Documents in one request; default 100, in the server 1000 for the dialects of other services. */
  maxDocuments?: number | undefined;
  /** MiB of the device's memory for the KV states of documents, which serve the next query; default 1024, 0 = off. */
  documentCacheMb?: number;
  /**
   * A folder in which the KV states of documents and recent scores outlive the process. It is created when needed, and several
   * processes and hosts may share it. The documents can be read from its files. Default: none.
   */
  documentCacheDir?: string | undefined;
  /** MiB that the folder may take, whoever writes into it; default 10240. */
  documentCacheDiskMb?: number;
  /** MiB of host memory for the scores of recent pairs, which are not computed again; default 16, 0 = off. */
  scoreCacheMb?: number;
  /** Whether documents that occur more than once in a request are computed once; default true. */
  deduplicate?: boolean;
  /** Tokens an image may have, 4 to 768; default 768. Larger ones are made smaller: fewer tokens take less time and show less. */
  imageMaxTokens?: number;
  /** MiB of an image's file; default 10. */
  imageMaxMb?: number;
  /** Pixels of an image before it is made smaller; default 50,000,000. */
  imageMaxPixels?: number;
  /** Images in one request, the query's included; default 20. */
  maxImages?: number;
  /**
   * Hosts that images given by URL may be fetched from: a name, "*.example.com" for every name below it, "*" for all. Their
   * addresses must be public. Default: none.
   */
  imageUrls?: readonly string[] | undefined;
  /** MiB of host memory for recent images as the vision tower encoded them, 2.3 for one of 768 tokens; default 256, 0 = off. */
  imageCacheMb?: number;
  /** Called with a fraction from 0 to 1 of the activity; the last activity is "loading". */
  onProgress?: (fraction: number, activity: LoadActivity) => void;
  /** Takes what a load has to say, such as the model's licence; default: warnings go to process.emitWarning, the rest nowhere. */
  logger?: Logger;
}

/** Takes lines of text. `console`, pino's loggers and the `log` of Fastify are such loggers. */
export interface Logger {
  info(line: string): void;
  warn(line: string): void;
}

/** What a load is busy with. "waiting": another process converts the same weights. */
export type LoadActivity = "fetching" | "hashing" | "timing" | "converting" | "waiting" | "loading";

/** "file": as the weights are in the file. */
export type Precision = "file" | "f16" | "bf16" | "q8_0";

export interface PrecisionChoice {
  readonly precision: Precision;
  /** Path of the GGUF that was loaded: the source, or what was converted from it. */
  readonly modelPath: string;
  /** Why, in one line. */
  readonly reason: string;
  /** Tokens per second through a part of the model, for comparing precisions; absent where nothing was measured. */
  readonly tokensPerSecond?: Readonly<Partial<Record<Precision, number>>>;
}

/**
 * The options for a model in a repository of the Hugging Face hub. Files that are not in the hub's cache are fetched into it.
 * HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE count as they do for the hub's other clients.
 */
export interface HubLoadOptions extends Omit<LoadOptions, "modelPath"> {
  /** The repository, as owner/name. */
  model: string;
  /** The path of the GGUF in it; default "jina-reranker-m0-Q4_K_M.gguf". */
  file?: string;
  /** A branch, a tag or a commit; default "main". A commit that is in the cache is loaded without asking the hub. */
  revision?: string;
  /** Gives up fetching: the load rejects with its reason. What was fetched is kept, and the next load goes on behind it. */
  signal?: AbortSignal;
}

/** The options for the demo model, which counts words and is not trained: for trying things out. */
export interface DemoLoadOptions extends Omit<LoadOptions, "modelPath" | "headPath"> {
  demo: true;
}

/** What the load options allow. */
export interface Limits {
  /** Documents in one request; undefined = the options do not say: then the request's own limit holds, or 100. */
  readonly maxDocuments: number | undefined;
  /** Pairs that may wait, and so the most that one request can have. */
  readonly maxQueuedPairs: number;
  /** Images in one request, the query's included; 0 = there is no vision tower. */
  readonly maxImages: number;
  /** Of one image's file; absent = there is no vision tower. */
  readonly imageMaxBytes?: number;
  readonly imageMaxPixels?: number;
}

/** An image: its bytes, the path of its file, or `data`, which is what HTTP clients send: a data: URI, base64 or a URL. */
export interface ImageInput {
  readonly image: Uint8Array | string | { readonly data: string };
}

/** What a query or a document may be. */
export type Content = string | ImageInput;

/** Documents are texts unless the parameter says that some are images. */
export interface ScoreRequest<Document extends Content = string> {
  query: Content;
  documents: readonly Document[];
  /** A line that the model reads before each document, such as how to rank; never cut. Default, and "": none. */
  instruction?: string;
  /** Tokens a document may have before it is cut; default: as many as fit contextSize. An image is never cut: it must fit. */
  maxDocumentTokens?: number;
  /** Which end of a document is cut when it must be, default "end"; "never" rejects with document_too_long instead. */
  truncate?: "end" | "start" | "never";
  /**
   * Scores each document that is a text by its best passage; true = with the defaults. Not with maxDocumentTokens, nor with
   * truncate "start". Default: a document is one text, and cut where it is too long.
   */
  passages?: true | PassageOptions;
  /** 0 to 999, default 0: while others wait, the request gets 1 / (1 + priority) of the work that one of priority 0 gets. */
  priority?: number;
  /**
   * Milliseconds from the call, at least 1, after which the request is answered with the scores that there are; waiting,
   * reading images and cutting passages count. Default: no limit.
   */
  timeoutMs?: number;
  /** Documents that the request may have where the load options set no limit; default 100. */
  maxDocuments?: number;
  /** An aborted signal rejects at once with its reason and takes the request out of the queue. */
  signal?: AbortSignal;
  /** Called once, when images were read and documents cut, in the turn of JavaScript in which the pairs are queued. */
  onQueue?: () => void;
}

/** How documents are cut: at the ends of sentences, or where a sentence is too long between words, or between letters with their marks. */
export interface PassageOptions {
  /** Tokens of a passage; default 512. Fewer where the query leaves no room for as many in contextSize. */
  readonly maxTokens?: number;
  /** Tokens at the end of a passage with which the next one begins, at most, in whole sentences; default 64, or an eighth of maxTokens. */
  readonly overlapTokens?: number;
  /** Passages of a document; default 10. What comes after them is not read, and droppedTokens says so. */
  readonly max?: number;
}

/** A part of a document as it was scored. */
export interface Passage {
  readonly text: string;
  /** Where it begins and where it ends, in Unicode code points of the document: Array.from(document).slice(start, end). */
  readonly start: number;
  readonly end: number;
}

/** Documents that queries will come for: their KV states are computed and kept in the document cache. Fields as in ScoreRequest. */
export type KeepRequest = Pick<
  ScoreRequest<Content>,
  "documents" | "instruction" | "maxDocumentTokens" | "truncate" | "passages" | "priority" | "maxDocuments" | "signal" | "onQueue"
>;

export interface KeepResponse {
  /** In the request. */
  documents: number;
  /** Of these, those that were cut to fit. */
  truncated: number;
  /**
   * Of these, those whose state is in documentCacheDir since, or that are too short to have one; the others could not be written. 0
   * without such a folder. With passages at least so many.
   */
  storedDocuments: number;
  /** Tokens of what the prompts of all queries with a document begin with. */
  usage: Usage;
  timings: Timings;
}

export interface RerankRequest<Document extends Content = string> extends ScoreRequest<Document> {
  /** How many results to return; undefined, 0 or more than there are documents = all. */
  topK?: number;
  /** Results with a lower score are dropped, after topK; default: none. */
  minScore?: number;
}

export interface Usage {
  /** Tokens of all prompts, images and score tokens included. */
  promptTokens: number;
  totalTokens: number;
}

/** Times are in milliseconds. */
export interface Timings {
  /** Of fetching, reading and decoding images, before the engine has the request. */
  imageMs: number;
  queueMs: number;
  tokenizeMs: number;
  computeMs: number;
  /** Of all. */
  totalMs: number;
  /** Tokens that went through the model. */
  computedTokens: number;
  /** Tokens that a cache saved: it had their KV state, or the score of their pair. */
  reusedTokens: number;
  /** Images that went through the vision tower: those that no cache had. */
  encodedImages: number;
}

export interface ScoreResponse {
  /** In document order, each in (0, 1); NaN for the unscored. */
  scores: Float32Array;
  /** In document order: the scores before the sigmoid; NaN for the unscored. */
  logits: Float32Array;
  /** Positions of the documents that `timeoutMs` left without a score, ascending; with passages, without that of a passage. */
  unscored: readonly number[];
  /** In document order: tokens of the pair, and tokens cut from the document (0 = whole); both 0 for the unscored. */
  promptTokens: Uint32Array;
  droppedTokens: Uint32Array;
  /** In document order, where the request asked for passages: the best of each; undefined for images and the unscored. */
  passages?: readonly (Passage | undefined)[];
  usage: Usage;
  timings: Timings;
}

/**
 * What subscribers of the diagnostics channels `tracing:jina-reranker:score:start`, `end`, `asyncStart`, `asyncEnd` and `error`
 * are given: one object for each request, the same in all its events. Numbers alone; no query and no document.
 */
export interface ScoreTrace {
  /** Documents in the request. */
  readonly documents: number;
  /** Images among query and documents. */
  readonly images: number;
  /** In `asyncStart` and `asyncEnd`, when the request succeeded. */
  readonly result?: ScoreResponse;
  /** From `error` on, when it failed: a RerankError, or the reason that its signal aborted with. */
  readonly error?: unknown;
}

export interface RankedDocument<Document extends Content = string> {
  /** Position in the request. */
  index: number;
  /** In (0, 1). */
  score: number;
  /** The score before the sigmoid. */
  logit: number;
  /** As it was given. */
  document: Document;
  /** Tokens cut from the document; 0 = whole. */
  droppedTokens: number;
  /** Where the request asked for passages: the best one, whose score it is. Absent for images. */
  passage?: Passage;
}

export interface RerankResponse<Document extends Content = string> {
  /** Highest score first; ties by index, lowest first. */
  results: RankedDocument<Document>[];
  /** Positions of the documents that `timeoutMs` left without a score, ascending: they are not among the results. */
  unscored: readonly number[];
  /** Documents that were cut, to fit the context or after their last passage, those beyond topK included. */
  truncated: number;
  usage: Usage;
  timings: Timings;
}

/** A device of a Reranker. `device` is its ggml name, such as "CUDA0". */
export type DeviceState = { readonly device: string; readonly status: "ok" } | FailedDevice;

/** A device that gets no more work, since another device did what this one failed at. */
export interface FailedDevice {
  readonly device: string;
  readonly status: "failed";
  readonly reason: string;
}

/** What a model takes of each device's memory, told before it is loaded. */
export interface MemoryEstimate {
  /** What the weights are computed in; "file" where loading has yet to time others, or where no other is wanted. */
  readonly precision: Precision;
  /** With the options as they are: of each device that computes. */
  readonly memory: readonly DeviceMemory[];
  /** Bytes that each of them has free, in the same order; undefined = it does not tell. */
  readonly freeBytes: readonly (number | undefined)[];
  readonly fit: Fit;
}

/**
 * Whether that fits, with what is assumed to be taken beside it: 512 MiB of each GPU, and of the host 128 MiB and the caches of scores
 * and images for each engine. Nothing is refused because of it.
 */
export type Fit =
  | { readonly fits: "whole" }
  /** A device does not tell how much memory it has free. */
  | { readonly fits: "unknown"; readonly device: string }
  /** Not as asked for, but with so many layers on the GPU, 0 = on the CPU alone. */
  | { readonly fits: "layers"; readonly gpuLayers: number; readonly short: Shortage }
  | { readonly fits: "not"; readonly short: Shortage };

/** A device whose memory is too small. */
export interface Shortage {
  readonly device: string;
  /** Bytes, with those beside what is counted. */
  readonly neededBytes: number;
  /** Those: assumed, not counted. */
  readonly besideBytes: number;
  readonly freeBytes: number;
}
