/**
 * The native contract: what `import … from "jina-reranker/native"` gives. One call carries a query and its documents to
 * native threads, one answer carries the scores back; tokenizing, batching, decoding, pooling, the score head and the
 * sigmoid happen in between.
 *
 * Threads: every function below returns at once and is called on the JavaScript thread that loaded the module. Loading,
 * scoring and quantizing run on threads of their own, never on libuv's pool. State is per environment: two worker
 * threads that load the module share nothing but the process-wide backend registry and the threads that tokenize.
 *
 * Errors: whatever fails throws or rejects with a NativeError whose `code` is one of NativeErrorCode.
 */

/** Why a native call failed. `src/errors.ts` says what each means over HTTP. */
export type NativeErrorCode =
  /** An argument has the wrong type or lies outside its range; the message names it, what was expected and what came. */
  | "invalid_argument"
  /** The model file does not exist or cannot be read. */
  | "model_not_found"
  /** The file is not a GGUF, is truncated, or is not a model this engine can score with. */
  | "model_invalid"
  /** The score head does not fit the model, or holds numbers that are not finite. */
  | "head_invalid"
  /** No usable backend was found, the one asked for is missing, or a device cannot compute the score head. */
  | "backend_unavailable"
  /** Memory for the model, its context, a batch or an argument could not be had. */
  | "out_of_memory"
  /** The pairs would not fit the queue; nothing of the request was kept. */
  | "queue_full"
  /** The query alone leaves no room for a document in the context. */
  | "query_too_long"
  /** A document would have to be cut and the request allows no cut. */
  | "document_too_long"
  /** The request has an image, and the engine was loaded without a vision tower. */
  | "images_not_supported"
  /** A model produced NaN or an infinity for a pair. */
  | "invalid_score"
  /** The job was cancelled. */
  | "cancelled"
  /** The engine was closed, or the process or worker is ending: its `exit` event has come. */
  | "closed"
  /** Anything else that went wrong in the engine. */
  | "engine_error";

export interface NativeError extends Error {
  code: NativeErrorCode;
}

/** The two-layer score head: logit = relu(h · w1 + b1) · w2 + b2 − logitBias. */
export interface ScoreHead {
  /** [n_embd][n_embd], row-major, f32: w1[i * n_embd + j] weighs input i for hidden unit j. */
  w1: Float32Array;
  /** [n_embd], f32. */
  b1: Float32Array;
  /** [n_embd], f32. */
  w2: Float32Array;
  b2: number;
  logitBias: number;
}

export interface EngineOptions {
  /** Path of a GGUF file. */
  modelPath: string;
  head: ScoreHead;
  /** Name of a CPU or GPU of `backends().devices`, for example "CUDA1"; default: the first GPU, or the CPU without one. */
  device?: string;
  /** Tokens a (query, document) pair may have, score token included: 16 to 1,048,576. */
  contextSize: number;
  /** Tokens in one batch: 64 to 65,536; 0 = 512 on a CPU, 2,048 on a GPU. */
  batchTokens: number;
  /** Layers to offload to a GPU; 0 = CPU only. More than the model has means all. */
  gpuLayers: number;
  /**
   * Where the model runs: "auto" = on the fastest GPU backend that is loaded and offers a device, else on the CPU; a name =
   * on that backend, or load rejects with backend_unavailable.
   */
  backend: "auto" | "cpu" | "cuda" | "metal" | "vulkan";
  /** CPU threads, 1 to 512; 0 = the physical cores this process may run on. */
  threads: number;
  /**
   * "exact": scores do not depend on the batch, bit for bit: always so on a CPU, and refused on a GPU. "auto" and "fast": as
   * the device has it.
   */
  reproducible: "auto" | "exact" | "fast";
  /** Type of the KV state and so of the document cache. f32 is for parity tests; q8_0 takes half of f16. */
  kvType: "f16" | "f32" | "q8_0";
  /** Pairs that may wait or run before `submit` throws queue_full: at least 1. */
  maxQueuedPairs: number;
  /**
   * Bytes for the KV state of document prefixes in the memory of the device, on a GPU at most half of what the weights leave, and
   * what it takes in one tensor a layer; least recently used ones go first; 0 = off. The tokens of recent texts are kept beside
   * it, with these texts: in at most as many bytes of host memory, and in 16 MiB at most.
   */
  documentCacheBytes: number;
  /** Bytes of host memory for the scores of recent (query, document) pairs, least recently used ones go first; 0 = off. */
  scoreCacheBytes: number;
  /** Absent = states are kept in memory alone. Needs documentCacheBytes. */
  documentStore?: DocumentStoreOptions;
  /** Whether documents that occur more than once in a request are computed once. */
  deduplicate: boolean;
  /** Absent = images are refused. */
  vision?: VisionOptions;
}

/** A folder in which the KV states of documents outlive the process, and recent scores if scoreCacheBytes is not 0. */
export interface DocumentStoreOptions {
  /** Its path; created with the first state. Several processes and hosts may share it. The documents can be read from its files. */
  directory: string;
  /** Of all states and scores in it, whoever wrote them; those used least recently go first. At least 1. */
  maxBytes: number;
}

/** The vision tower, which computes on the model's device. */
export interface VisionOptions {
  /** Path of its GGUF (mmproj). */
  mmprojPath: string;
  /** Tokens an image may have, 4 to 768. Memory for such an image is taken; larger ones are refused, not resized. */
  maxTokens: number;
  /** Bytes of host memory for the embeddings of recent images, 2.3 MB for 768 tokens; least recently used ones go first; 0 = off. */
  cacheBytes: number;
}

/** What was loaded, and how it runs. */
export interface EngineInfo {
  /** general.architecture of the GGUF. */
  architecture: string;
  /** One line: architecture, parameters, the types of its matrices. */
  description: string;
  parameters: number;
  /** Bytes of all tensors. */
  sizeBytes: number;
  layers: number;
  /** Length of a hidden state. */
  embeddingLength: number;
  /** KV cells that a token attends to at the cost of everything else that is computed for it. */
  attentionCells: number;
  vocabularySize: number;
  /** Tokens the model was trained for. */
  trainedContext: number;
  /** Id of the token whose hidden state is scored. */
  scoreToken: number;
  /** As configured after "auto" and 0 were resolved. */
  contextSize: number;
  batchTokens: number;
  threads: number;
  reproducible: "exact" | "fast";
  /** Pairs that can be in one batch. */
  maxSequences: number;
  gpuLayers: number;
  /** ggml device the model runs on, for example "CPU" or "CUDA0", and its description. */
  device: string;
  deviceDescription: string;
  /** What it took of the device's memory, and of the CPU's where that computes as well. */
  memory: DeviceMemory[];
  /** Absent = no vision tower was loaded. */
  vision?: VisionInfo;
}

/**
 * Bytes of ggml's buffers on a device. On a CPU they are reserved: of `pages` and `compute` only what was written to takes memory.
 * What is beside them is in none of these: on a GPU what the driver and its libraries take for themselves, on the host the
 * vocabulary, the caches of scores, texts and images, and Node.
 */
export interface DeviceMemory {
  /** ggml's name of it, such as "CPU" or "CUDA0". */
  device: string;
  /** The model's weights and the score head's. */
  weights: number;
  /** KV state: of the largest batch, and of the document cache. */
  pages: number;
  /** What the largest batch is computed in. */
  compute: number;
  /** The vision tower's weights, and what its largest image is computed in; 0 without one. */
  vision: number;
}

export interface VisionInfo {
  /** Tokens an image may have. */
  maxTokens: number;
  /** What encoding an image costs for each of its tokens, in tokens that attend to nothing; see EngineStats.workQueued. */
  workPerToken: number;
  /** Bytes of its tensors. */
  sizeBytes: number;
}

/** An image as the vision tower sees it. */
export interface Image {
  /** Pixels, multiples of 28, 28 of them a token. */
  width: number;
  height: number;
  /** Row-major [height][width][3], 0 to 255. */
  rgb: Uint8Array;
  /** Stands for the pixels, such as their SHA-256; 1 to 128 characters. Images of the same size and hash are taken for the same one. */
  hash: string;
}

export interface ScoreRequest {
  query: string | Image;
  /**
   * At least one. In texts, lone surrogates become U+FFFD; NUL and special-token text are ordinary text. Images are never cut:
   * one that does not fit is document_too_long.
   */
  documents: readonly (string | Image)[];
  /** A line of the prompt before each document, cut as little as the query; empty or absent = none. */
  instruction?: string;
  /** Tokens a document may have before it is cut; 0 or absent = as many as fit contextSize. */
  maxDocumentTokens?: number;
  /** Which end of a document is cut when it must be, "end" when absent; "never": document_too_long instead. */
  truncate?: "end" | "start" | "never";
  /** 0 (when absent) to 999: while others wait, the request gets 1 / (1 + priority) of what one of priority 0 gets. */
  priority?: number;
}

export interface ScoreResult {
  /** [n_documents], f32, in document order, each in (0, 1): the sigmoid of the logit. NaN for the unscored. */
  scores: Float32Array;
  /** [n_documents], f32, in document order. NaN for the unscored. */
  logits: Float32Array;
  /** Indices of the documents that `stop` left without a score, ascending. */
  unscored: Uint32Array;
  /** [n_documents]: tokens of each pair's prompt as scored, score token included; 0 for the unscored. */
  promptTokens: Uint32Array;
  /**
   * [n_documents]: tokens cut from each document to fit; 0 = whole. At least 1 where something was cut; estimated from the
   * bytes where a long document was not tokenized to its end.
   */
  droppedTokens: Uint32Array;
  /** Tokens that went through the model for this request. */
  computedTokens: number;
  /** Tokens that did not have to: their state came from the document cache, or their pair's score from the score cache. */
  reusedTokens: number;
  /** Images that went through the vision tower for this request. */
  encodedImages: number;
  /** Milliseconds from submit to the first tokenized pair entering a batch. */
  queueMs: number;
  /** Milliseconds of tokenizing. */
  tokenizeMs: number;
  /** Milliseconds from the first batch with a pair of this request to the end of the last one. */
  computeMs: number;
  /** Milliseconds from submit to the result. */
  totalMs: number;
}

/** One request in the engine. */
export interface ScoreJob {
  /** Settles once. Rejects with query_too_long, document_too_long, invalid_score, cancelled, closed, out_of_memory or engine_error. */
  readonly result: Promise<ScoreResult>;
  /**
   * Drops the pairs not yet computed and rejects `result` with cancelled; true when the job was still unfinished.
   * A batch that is running is not interrupted.
   */
  cancel(): boolean;
  /**
   * Drops the pairs not yet computed and resolves `result` with the scores that there are; true when the job was still
   * unfinished. Does not wait for a batch that is running: its pairs are unscored.
   */
  stop(): boolean;
}

/** Documents whose KV state is to be known before a query comes. Fields as in ScoreRequest. */
export interface KeepRequest {
  documents: readonly (string | Image)[];
  instruction?: string;
  maxDocumentTokens?: number;
  truncate?: "end" | "start" | "never";
  priority?: number;
}

export interface KeepResult {
  /**
   * [n_documents]: tokens of what the prompts of all queries with the document begin with. Fewer than 16 are not kept: they are
   * computed with each query.
   */
  promptTokens: Uint32Array;
  /** [n_documents]: tokens cut from each document to fit, as in ScoreResult; a query leaves it less room. */
  droppedTokens: Uint32Array;
  /** As in ScoreResult. A document that is known costs nothing. */
  computedTokens: number;
  reusedTokens: number;
  encodedImages: number;
  queueMs: number;
  tokenizeMs: number;
  computeMs: number;
  totalMs: number;
  /**
   * Documents whose state is in the document store since, or that are too short to have one (16 tokens with the prompt's headings).
   * The others could not be written: the log says why. 0 without a store.
   */
  storedDocuments: number;
}

export interface KeepJob {
  /** Settles once. Rejects as a ScoreJob's, but for invalid_score. */
  readonly result: Promise<KeepResult>;
  /** As a ScoreJob's. What was computed by then is kept. */
  cancel(): boolean;
}

/** Counters since the engine was loaded, and the queue as it is now. */
export interface EngineStats {
  jobsSubmitted: number;
  jobsCompleted: number;
  jobsFailed: number;
  jobsCancelled: number;
  /** Pairs that got their score. */
  pairsScored: number;
  /** Pairs dropped before they were computed, because their job was cancelled, stopped or failed, or the engine closed. */
  pairsDropped: number;
  /** Documents of `keep` whose state was computed or known. */
  documentsKept: number;
  /** Pairs and documents submitted and neither scored, kept nor dropped. */
  pairsQueued: number;
  /**
   * Tokens of those pairs that have not gone through the model: counted where a pair was tokenized, estimated from its
   * bytes (four a token, at most contextSize) where not. A state or score from a cache counts until it is used.
   */
  tokensQueued: number;
  /**
   * What those tokens cost, in tokens that attend to nothing: a token behind n others costs 1 + n / attentionCells. So
   * batches of long and of short pairs can be compared.
   */
  workQueued: number;
  /** What the tokens cost that are done, those from a cache included. */
  workDone: number;
  /** Tokens of pairs that went through the model. */
  tokensComputed: number;
  /** Rows that filled batches up: on a GPU to one of a few sizes, on a CPU to a multiple of four where ggml multiplies. */
  tokensPadding: number;
  /** Batches computed. */
  batches: number;
  /** Tokens whose state or score came from a cache. */
  tokensReused: number;
  /** Pairs that began with a state from the document cache, and pairs answered from the score cache. */
  pairsWarm: number;
  pairsRepeated: number;
  /** What the document cache holds now. */
  cacheBytes: number;
  cacheEntries: number;
  /** Images that went through the vision tower, and the time it computed. */
  imagesEncoded: number;
  imageEncodeMs: number;
  /** Images whose embeddings were needed and came from the image cache. */
  imagesReused: number;
  /** What the image cache holds now. */
  imageCacheBytes: number;
  imageCacheEntries: number;
  /** States of documents that were read from the document store, and written into it. */
  documentsRestored: number;
  documentsStored: number;
  /** Files of the store that could not be read or written, or were damaged. */
  storeFailures: number;
  /** What the store's folder held when it was counted last, and what was written since. */
  storeBytes: number;
}

export interface PromptTokens {
  /** Token ids of the prompt as it would be scored, score token included. */
  tokens: Int32Array;
  /** Tokens cut from the end of the document, as in ScoreResult. */
  droppedTokens: number;
}

/** A method that is called on anything but an engine throws invalid_argument or, where V8 refuses the call, a TypeError. */
export class Engine {
  private constructor();
  /**
   * Loads a model. `onProgress` is called with a fraction from 0 to 1 while weights are read.
   * Rejects with invalid_argument, model_not_found, model_invalid, head_invalid, backend_unavailable, out_of_memory, closed, or
   * engine_error where a thread cannot be started or llama.cpp refuses.
   */
  static load(options: EngineOptions, onProgress?: (fraction: number) => void): Promise<Engine>;
  readonly info: EngineInfo;
  /**
   * Queues a request; images' pixels are copied. Throws invalid_argument (also for a text of more than 256 MiB of UTF-8),
   * images_not_supported, queue_full, closed or out_of_memory; then nothing was queued.
   */
  submit(request: ScoreRequest): ScoreJob;
  /**
   * Queues documents to compute their KV state up to where a query begins, and to leave it in the document cache, from which
   * others may push it out again. No score is computed. A query that follows costs its own tokens alone. Throws as submit, and
   * invalid_argument where there is no document cache.
   */
  keep(request: KeepRequest): KeepJob;
  /** The prompt of one pair of texts as tokens, truncated as it would be. Throws query_too_long. */
  tokenizePair(query: string, document: string, instruction?: string): PromptTokens;
  /** A text's tokens; special-token text is ordinary text. */
  tokenize(text: string): Int32Array;
  stats(): EngineStats;
  /**
   * Stops accepting, lets the running batch finish, fails what waits with `closed`, frees the model. Idempotent; the
   * promise resolves when the memory is free. Afterwards `submit` and the tokenizers throw `closed`.
   */
  close(): Promise<void>;
}

export interface Device {
  /** For example "CPU", "CUDA0", "Vulkan0". */
  name: string;
  description: string;
  /** Which backend offers it. */
  backend: string;
  type: "cpu" | "gpu" | "igpu" | "accel" | "meta";
  /** Bytes; 0 where the backend does not say. */
  memoryFree: number;
  memoryTotal: number;
  /** What an NVIDIA card can do, as its maker numbers it, such as 8.6; 0 on other devices and where the driver does not say. */
  computeCapability: number;
}

export interface Backends {
  /** Every device of every loaded backend. */
  devices: Device[];
  /** The library each backend was loaded from; for the CPU the variant chosen for this machine. */
  libraries: { backend: string; path: string }[];
  /** Libraries that were found and not used, with the reason. */
  failures: { path: string; reason: string }[];
  /** Instruction sets and options the CPU backend was built with, as ggml names them. */
  cpuFeatures: string[];
}

export interface Version {
  /** The addon's own version: package.json's. */
  addon: string;
  /** llama.cpp release and commit the addon was built from. */
  llamaCpp: string;
  llamaCppCommit: string;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * Loads one backend from a list of libraries: its variants, of which the one that suits this machine best is taken. Does
 * nothing when that backend is loaded already; otherwise it waits while a model is being loaded or quantized elsewhere in
 * the process. The CPU backend is loaded when the module is imported. Throws backend_unavailable with the reason for each
 * library.
 */
export function loadBackend(libraries: readonly string[]): void;
/** Loads every ggml backend in a folder. What cannot be used is among the failures of `backends()`. */
export function loadBackends(directory: string): void;
/** Why the platform's loader refuses a library, given by path or by a name that it looks for; undefined = it does not. */
export function whyNotLoadable(library: string): string | undefined;
export function backends(): Backends;
export function version(): Version;
/**
 * Sends llama.cpp's and the engine's log lines here instead of nowhere; undefined stops it. Lines hold no user text. What
 * the sink throws is an uncaught exception.
 */
export function setLogSink(sink: ((level: LogLevel, line: string) => void) | undefined): void;

export interface WeightsInfo {
  layers: number;
  parameters: number;
  /** Bytes of all tensors. */
  bytes: number;
  /** Of those, what the token embeddings are. */
  embeddingParameters: number;
  embeddingBytes: number;
  /** The types of the other matrices, as ggml names them, such as "q4_K" and "bf16". */
  matrixTypes: string[];
}

/** What the tensors of a GGUF are. Reads its header only. Throws model_not_found or model_invalid. */
export function inspect(path: string): WeightsInfo;

/**
 * What loading with these options takes, before it is loaded; of the files only the headers are read. Element n is with n layers on
 * the GPU (`gpuLayers`; the output counts as one), from 0, the CPU alone, to what loading itself takes, the last; where no GPU is
 * used, that is the only one. A GPU's document cache depends on what is free there, so this tells of now. `matrixType`: of the
 * weights, were they converted as `quantize` does it with `keepEmbeddings`; absent = as in the file. Rejects with invalid_argument,
 * model_not_found, model_invalid, backend_unavailable, closed, or out_of_memory where a tensor is larger than a device takes.
 */
export function estimate(options: Omit<EngineOptions, "head">, matrixType?: "f16" | "bf16" | "q8_0"): Promise<DeviceMemory[][]>;

/** "file": every tensor stays as it is. */
export type QuantizeType = "file" | "f32" | "f16" | "bf16" | "q8_0" | "q4_k_m" | "q5_k_m";
export interface QuantizeOptions {
  /** CPU threads, 1 to 512; 0 or absent = the physical cores this process may run on. */
  threads?: number;
  /** Keep that many layers from the middle, which gives a model to take times with; 0 or absent = all. */
  layers?: number;
  /** The token embeddings, which are looked up and not multiplied, stay as they are. */
  keepEmbeddings?: boolean;
}
/**
 * Rewrites a GGUF with its weights in another precision, into `outputPath` with `.partial` behind it until it is whole.
 * Rejects with invalid_argument (also when the output is the input), model_not_found, model_invalid, out_of_memory, closed or
 * engine_error, and then leaves no output file.
 */
export function quantize(inputPath: string, outputPath: string, type: QuantizeType, options?: QuantizeOptions): Promise<void>;
