/** The library's public shapes. HTTP has its own (snake_case) in src/server; the native ones are in binding.d.ts. */

import type { EngineInfo, EngineStats } from "../binding.js";
import type { LoadActivity } from "./precision/activity.js";
import type { Precision, PrecisionChoice } from "./precision/weights.js";

export type { EngineInfo, EngineStats, LoadActivity, Precision, PrecisionChoice };

/** Of a model in files of this machine. */
export interface LoadOptions {
  /** Path of the GGUF. */
  modelPath: string;
  /** Path of the score head; default: `mlp_weights.npz` beside the GGUF. */
  headPath?: string;
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
   * An engine on each of these behind one queue: numbers of GPUs from 0, each once, or "cpu", also several times; default:
   * one engine, on the first GPU, or on the CPU without one.
   */
  gpus?: readonly (number | "cpu")[];
  /** CPU threads; default: the physical cores this process may run on. */
  threads?: number;
  /** Tokens in one decode call; default 512 on a CPU, 2048 on a GPU. */
  batchTokens?: number;
  /** "exact" on a CPU and "fast" on a GPU by default: whether a score may depend, in its last bits, on what runs beside it. */
  reproducible?: "auto" | "exact" | "fast";
  /** For parity tests. */
  flashAttention?: "auto" | "on" | "off";
  /**
   * Precision the weights are computed with; default "auto": whatever this machine computes fastest, found out once per
   * model and kept beside the cache. "file": as they are in the file.
   */
  precision?: Precision | "auto";
  /** Type of the KV cache; f32 is for parity tests, q8_0 doubles what the document cache holds. */
  kvType?: "f16" | "f32" | "q8_0";
  /** Pairs that may wait before a request is refused with queue_full; default 2000. */
  maxQueuedPairs?: number;
  /** Documents in one request; default 100, and in the server what each dialect's own service takes. */
  maxDocuments?: number;
  /** MiB of host memory in which what was computed of documents is kept for the next query; default 1024, 0 = off. */
  documentCacheMb?: number;
  /** MiB of host memory for the scores of recent pairs, so that the same question is not computed twice; default 16, 0 = off. */
  scoreCacheMb?: number;
  /** Whether documents that occur more than once in a request are computed once; default true. */
  deduplicate?: boolean;
  /** Called with a fraction from 0 to 1 of what it is busy with: at the end, reading the weights. */
  onProgress?: (fraction: number, activity: LoadActivity) => void;
  /** Called with what there is to know of a load that went well, each in one line; default: process.emitWarning. */
  onNotice?: (notice: string) => void;
}

/**
 * Of a model in a repository of the Hugging Face hub: its files are fetched into the hub's cache where they are not there
 * yet. HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE count as they do for the hub's other clients.
 */
export interface HubLoadOptions extends Omit<LoadOptions, "modelPath"> {
  /** The repository, as owner/name. */
  model: string;
  /** The path of the GGUF in it; default "jina-reranker-m0-Q4_K_M.gguf". */
  file?: string;
  /** A branch, a tag or a commit; default "main". With a commit that is in the cache nothing is asked. */
  revision?: string;
}

/** Of the demo model, which counts words and is not trained: for trying things out. */
export interface DemoLoadOptions extends Omit<LoadOptions, "modelPath" | "headPath"> {
  demo: true;
}

/** What a request may hold at most, and the queue. */
export interface Limits {
  /** undefined = not set: then it is 100, or what the request brings as its own. */
  readonly maxDocuments: number | undefined;
  readonly maxQueuedPairs: number;
}

export interface ScoreRequest {
  query: string;
  documents: readonly string[];
  /** Tokens a document may have before it is cut; default: as many as fit contextSize. */
  maxDocumentTokens?: number;
  /** Which end of a document is cut when it must be, default "end"; "never" rejects with document_too_long instead. */
  truncate?: "end" | "start" | "never";
  /** 0 to 999, default 0: while others wait, the request gets 1 / (1 + priority) of what one of priority 0 gets. */
  priority?: number;
  /** Documents it may have where the load options set no limit; default 100. */
  maxDocuments?: number;
  /** Aborting rejects at once with the signal's reason and frees the queue. */
  signal?: AbortSignal;
}

export interface RerankRequest extends ScoreRequest {
  /** How many results to return; undefined, 0 or more than there are documents = all. */
  topK?: number;
}

export interface Usage {
  /** Tokens of all prompts, score tokens included. */
  promptTokens: number;
  totalTokens: number;
}

/** Milliseconds, and the tokens that went through the model. */
export interface Timings {
  queueMs: number;
  tokenizeMs: number;
  computeMs: number;
  totalMs: number;
  computedTokens: number;
  /** Tokens that did not have to be computed, because a cache had their state or their pair's score. */
  reusedTokens: number;
}

export interface ScoreResponse {
  /** In document order, each in (0, 1). */
  scores: Float32Array;
  /** In document order: the scores before the sigmoid. */
  logits: Float32Array;
  /** In document order: tokens of the pair, and tokens cut from the document (0 = whole). */
  promptTokens: Uint32Array;
  droppedTokens: Uint32Array;
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
  /** In `asyncStart` and `asyncEnd`, when the request succeeded. */
  readonly result?: ScoreResponse;
  /** From `error` on, when it failed: a RerankError, or the reason that its signal aborted with. */
  readonly error?: unknown;
}

export interface RankedDocument {
  /** Position in the request. */
  index: number;
  /** In (0, 1). */
  score: number;
  /** The score before the sigmoid. */
  logit: number;
  document: string;
  /** Tokens cut from the document; 0 = whole. */
  droppedTokens: number;
}

export interface RerankResponse {
  /** Highest score first; ties by index, lowest first. */
  results: RankedDocument[];
  /** Documents whose end was cut to fit the context, those beyond topK included. */
  truncated: number;
  usage: Usage;
  timings: Timings;
}

/** A device that scores, or did. */
export type DeviceState = { readonly device: string; readonly status: "ok" } | FailedDevice;

/** Taken out: another device could do what this one could not. */
export interface FailedDevice {
  readonly device: string;
  readonly status: "failed";
  readonly reason: string;
}
