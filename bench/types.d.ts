/** The harness's types: drivers, trials and results. */

import type { LoadOptions } from "../dist/index.js";

/** A query and its documents, as text and as the token ids of each pair's prompt. */
export interface BenchRequest {
  readonly query: string;
  readonly documents: readonly string[];
  /** The token ids of our engine for each pair, in document order, with the score token. */
  readonly pairs: readonly Int32Array[];
}

/** A driver's answer, in document order. Hidden states are scored after the time was taken. */
export type Answer = {
  /** Set by drivers that measure their time themselves; the others are timed from outside. */
  readonly seconds?: number;
} & (
  | { readonly kind: "logits"; readonly logits: ArrayLike<number> }
  | { readonly kind: "hidden"; readonly hidden: readonly ArrayLike<number>[] }
);

/** The model's shape, for drivers that make weights of their own. */
export interface Shape {
  readonly layers: number;
  readonly embeddingLength: number;
  readonly headLength: number;
  readonly kvHeads: number;
  readonly feedForwardLength: number;
  readonly vocabularySize: number;
}

/** Settings of a driver. Each driver uses those that it supports. */
export interface DriverSettings {
  readonly modelPath: string;
  readonly headPath: string;
  readonly shape: Shape;
  /** 0 = as many as physical cores. */
  readonly threads: number;
  /** 0 = CPU. */
  readonly gpuLayers: number;
  readonly contextSize: number;
  readonly precision?: NonNullable<LoadOptions["precision"]>;
  readonly documentCacheMb?: number;
  readonly documentCacheDir?: string;
  readonly scoreCacheMb?: number;
  /** A vision tower, for pages as images. */
  readonly mmprojPath?: string;
  /** For llama-server: the number of prompts that it keeps and computes side by side; default: its own. */
  readonly slots?: number;
  /** Tokens in one decode; default: the driver's own. */
  readonly batchTokens?: number;
  /** Engines of our library on the device, behind one queue; default: one. */
  readonly engines?: number;
  /** Whether our library's engine tells of each batch where its time went. */
  readonly logBatches?: boolean;
  /** For transformers: whether torch compiles the model. */
  readonly compiled?: boolean;
}

/** Facts that a driver reports about itself after loading. */
export type Facts = Readonly<Record<string, string | number | boolean>>;

export interface OpenDriver {
  score(request: BenchRequest, signal?: AbortSignal): Promise<Answer>;
  /** Scores images as documents of one request; only drivers with a vision tower have it. */
  pages?(images: readonly Uint8Array[], signal?: AbortSignal): Promise<PagesSample>;
  /** Batches since the last call; only drivers of the library that were opened with `logBatches` have any. */
  batches?(): BatchTimes[];
  /** Id of the process that computes. */
  readonly pid: number;
  readonly facts: Facts;
  /** Address of a driver that is a server. */
  readonly url?: string;
  close(): Promise<void>;
}

/** A module of drivers/. */
export interface DriverModule {
  /** Why it cannot run on this machine; undefined = it can. */
  unavailable(): Promise<string | undefined>;
  open(settings: DriverSettings): Promise<OpenDriver>;
}

/** A row of the table of drivers. */
export interface DriverEntry {
  readonly name: string;
  /** Its name in the report. */
  readonly label: string;
  readonly module: "library" | "http" | "llama-server" | "node-llama-cpp" | "transformers" | "vllm";
  readonly settings: Partial<DriverSettings>;
  /** True: it has weights of its own, so its scores are not compared. */
  readonly ownWeights?: true;
}

/** The requests of the harness to a driver's process, and their answers. */
export interface Actions {
  open(settings: DriverSettings): { facts: Facts; url: string | undefined };
  score(request: BenchRequest): { seconds: number; logits: Float64Array };
  /** Scores the requests one after the other. */
  latencies(requests: readonly BenchRequest[]): number[];
  /** Runs `clients` clients; each sends its next request when the last one was answered. */
  clients(work: { clients: number; requests: readonly BenchRequest[] }): { seconds: number; latencies: number[] };
  /** Scores small requests alone, then similar ones while large requests run. The large ones are aborted at the end. */
  beside(work: {
    small: readonly BenchRequest[];
    smallBeside: readonly BenchRequest[];
    large: readonly BenchRequest[];
  }): BesideSample;
  pages(images: readonly Uint8Array[]): PagesSample;
  /** See OpenDriver. */
  batches(nothing: null): BatchTimes[];
  /** As `beside`, with one large request of these images. */
  besidePages(work: {
    small: readonly BenchRequest[];
    smallBeside: readonly BenchRequest[];
    images: readonly Uint8Array[];
  }): BesideSample;
  /** Peak memory of the computing process, in bytes. */
  peak(nothing: null): number;
  close(nothing: null): null;
}

/** A batch of our engine: seconds on the host before and after the device computes it, and until its logits are back. */
export interface BatchTimes {
  rows: number;
  before: number;
  compute: number;
  after: number;
}

/** Medians of several batches. */
export interface Split extends BatchTimes {
  batches: number;
}

/** Images of one request. */
export interface PagesSample {
  /** From the request to its answer, decoding included; and what of it the vision tower and the language model computed. */
  seconds: number;
  towerSeconds: number;
  modelSeconds: number;
  /** Of all prompts. */
  tokens: number;
}

export interface BesideSample {
  alone: number[];
  beside: number[];
  /** Number of large requests that were answered before the last small one. If all were, nothing ran beside it. */
  largeFinished: number;
}

export interface Statistics {
  median: number;
  lowest: number;
  highest: number;
  samples: number[];
}

/** The documents of one measurement, by their lengths in tokens. */
export interface DocumentSet {
  readonly name: string;
  readonly lengths: readonly number[];
}

interface TrialBase {
  readonly name: string;
  readonly what: string;
  /** Names of drivers. */
  readonly drivers: readonly string[];
  /** What drivers get that do not set it themselves. */
  readonly settings?: Partial<DriverSettings>;
  readonly rounds: number;
}

export type Trial =
  | (TrialBase & {
      readonly kind: "documents";
      readonly sets: readonly DocumentSet[];
      /** Number of new queries over the same documents after the cold one: `default`, or the number of a named driver. */
      readonly warm: { readonly default: number; readonly [driver: string]: number };
      /** See DocumentsResult; as a part of the logits' standard deviation. */
      readonly tolerance: number;
      /** Whether the speed of a large matrix product is measured in each round. */
      readonly limit?: boolean;
      /** Whether our engine tells where its batches' time goes, which costs a line of log a batch. */
      readonly split?: boolean;
    })
  | (TrialBase & {
      readonly kind: "clients";
      readonly levels: readonly { clients: number; requests: number }[];
      readonly set: DocumentSet;
      /** Whether the documents are known: asked for once before the time is taken, each client its own. */
      readonly warm?: boolean;
    })
  | (TrialBase & { readonly kind: "beside"; readonly small: DocumentSet; readonly large: DocumentSet; readonly requests: number })
  | (TrialBase & {
      readonly kind: "pages";
      /** Pixels of the page, and the limits of tokens that it is measured with. */
      readonly page: { readonly width: number; readonly height: number };
      readonly maxTokens: readonly number[];
      /** A request of texts, alone and beside ten pages. */
      readonly small: DocumentSet;
    })
  | (TrialBase & { readonly kind: "states"; readonly sets: readonly DocumentSet[] })
  | (TrialBase & { readonly kind: "startup"; readonly set: DocumentSet })
  | (TrialBase & { readonly kind: "overhead"; readonly set: DocumentSet; readonly requests: number });

export type TrialOf<Kind extends Trial["kind"]> = Extract<Trial, { kind: Kind }>;

/** Measurements of one driver on one set. */
export interface DocumentsSample {
  /** Seconds of a request with new documents. */
  cold: Statistics;
  /** Seconds of requests with a new query over the same documents; absent = none were sent. */
  warm?: Statistics;
  /** Root mean square of the differences to the reference's logits; null for a driver with weights of its own. */
  difference: number | null;
  agrees: boolean;
  /** Where the batches' time went, of trials that ask for it. */
  split?: { cold: Split; warm?: Split };
}

export interface DocumentsResult {
  kind: "documents";
  reference: string;
  /** The largest difference for which a driver counts as having done the same work. */
  tolerance: number;
  sets: {
    name: string;
    documents: number;
    /** Tokens of all pairs of a request, with query, template and score token. */
    tokens: number;
    drivers: Record<string, DocumentsSample>;
  }[];
  peakBytes: Record<string, number>;
  /** Floating-point operations a second of a large matrix product, measured in the same rounds. */
  limit?: Statistics & { type: string };
}

export interface ClientsResult {
  kind: "clients";
  tokensPerRequest: number;
  drivers: Record<string, { clients: number; requests: number; tokensPerSecond: Statistics; latency: Statistics }[]>;
}

export interface BesideResult {
  kind: "beside";
  tokens: { small: number; large: number };
  drivers: Record<string, { alone: Statistics; beside: Statistics }>;
}

export interface PagesResult {
  kind: "pages";
  mmprojBytes: number;
  sets: {
    maxTokens: number;
    /** Pixels as the model sees the page. */
    width: number;
    height: number;
    tokens: number;
    /** Floating-point operations of the tower's products, and of its attention. */
    flop: { products: number; attention: number };
    seconds: Statistics;
    towerSeconds: Statistics;
    modelSeconds: Statistics;
  }[];
  beside: { tokens: number; alone: Statistics; beside: Statistics };
  peakBytes: number;
  limit: Statistics & { type: string };
}

export interface StatesResult {
  kind: "states";
  sets: {
    name: string;
    documents: number;
    /** Of one document. */
    documentTokens: number;
    /** On disk, of one document's state. */
    bytes: number;
    /** Seconds of a request with its documents computed, read from disk, and in memory. */
    computed: Statistics;
    disk: Statistics;
    memory: Statistics;
    /** Whether the system's cache of files was emptied before the states were read. */
    dropped: boolean;
  }[];
}

export interface StartupResult {
  kind: "startup";
  drivers: Record<string, Statistics>;
}

export interface OverheadResult {
  kind: "overhead";
  library: Statistics;
  http: Statistics;
}

export type TrialResult =
  | DocumentsResult
  | ClientsResult
  | BesideResult
  | PagesResult
  | StatesResult
  | StartupResult
  | OverheadResult;

/** The record of a trial. */
export interface Measured {
  what: string;
  model: string;
  date: string;
  commit: string;
  /** Identifies the run; equal for all its trials. */
  run: string;
  seconds: number;
  /** Driver -> reason why it could not run. */
  left: Record<string, string>;
  facts: Record<string, Facts>;
  /** Where this trial ran on another machine than the others. */
  machine?: Machine;
  result: TrialResult;
}

export interface Machine {
  cpu: string;
  cores: number;
  memoryBytes: number;
  features: string[];
  device: string;
  node: string;
}

export interface ModelFacts {
  name: string;
  sha256: string;
  fileBytes: number;
  description: string;
  /** Floating-point operations of the layers for one token, without attention over other tokens. */
  flopPerToken: number;
}

/** What bench/gpu/probe.py measured in torch on the card; rates in operations or bytes a second. */
export interface Probe {
  device: string;
  torch: string;
  /** The model's matrices, in bf16 and, where the card has it, fp8. */
  products: { name: string; inputs: number; outputs: number; rows: number; bf16: number; fp8: number | null }[];
  /** silu of one half of the columns times the other, in two kernels. */
  siluUp: { rows: number; seconds: number };
  copies: { bytes: number; memory: string; direction: string; seconds: number }[];
  /** Of a copy on the card, bytes read and bytes written. */
  deviceBandwidth: number;
}

export interface Results {
  machine: Machine;
  probe?: Probe;
  llamaCpp: string;
  models: Record<string, ModelFacts>;
  trials: Record<string, Measured>;
}
