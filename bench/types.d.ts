/** The shapes the harness passes around: what a driver is, what a trial asks of it, and what is written down. */

import type { LoadOptions } from "../dist/index.js";

/** A query and its documents, as text and as the token ids of every pair's prompt. */
export interface BenchRequest {
  readonly query: string;
  readonly documents: readonly string[];
  /** In document order, score token included: what our engine makes of each pair. */
  readonly pairs: readonly Int32Array[];
}

/** What a driver answers, in document order. Hidden states are scored after the clock has stopped. */
export type Answer = {
  /** Where the driver has counted itself; otherwise it is timed from outside. */
  readonly seconds?: number;
} & (
  | { readonly kind: "logits"; readonly logits: ArrayLike<number> }
  | { readonly kind: "hidden"; readonly hidden: readonly ArrayLike<number>[] }
);

/** The model's shape, as far as a driver that makes its own weights needs it. */
export interface Shape {
  readonly layers: number;
  readonly embeddingLength: number;
  readonly headLength: number;
  readonly kvHeads: number;
  readonly feedForwardLength: number;
  readonly vocabularySize: number;
}

/** How a driver is to run; each takes what it knows. */
export interface DriverSettings {
  readonly modelPath: string;
  readonly headPath: string;
  readonly shape: Shape;
  /** 0 = the physical cores. */
  readonly threads: number;
  /** 0 = CPU. */
  readonly gpuLayers: number;
  readonly contextSize: number;
  readonly reproducible?: "auto" | "exact" | "fast";
  readonly precision?: NonNullable<LoadOptions["precision"]>;
  readonly documentCacheMb?: number;
  /** llama-server's: prompts it keeps and computes side by side; default its own. */
  readonly slots?: number;
  /** Tokens in one decode; default the driver's own. */
  readonly batchTokens?: number;
}

/** What a driver says of itself once it has loaded. */
export type Facts = Readonly<Record<string, string | number | boolean>>;

export interface OpenDriver {
  score(request: BenchRequest, signal?: AbortSignal): Promise<Answer>;
  /** The process that computes. */
  readonly pid: number;
  readonly facts: Facts;
  /** Where it listens, if it does. */
  readonly url?: string;
  close(): Promise<void>;
}

/** A module of drivers/. */
export interface DriverModule {
  /** Why it cannot run on this machine; undefined when it can. */
  unavailable(): Promise<string | undefined>;
  open(settings: DriverSettings): Promise<OpenDriver>;
}

/** One row of the map of drivers. */
export interface DriverEntry {
  readonly name: string;
  /** How the report calls it. */
  readonly label: string;
  readonly module: "library" | "http" | "llama-server" | "node-llama-cpp" | "transformers";
  readonly settings: Partial<DriverSettings>;
  /** It has weights of its own: its scores are not compared. */
  readonly ownWeights?: true;
}

/** What the harness asks a driver's process to do, and what comes back. */
export interface Actions {
  open(settings: DriverSettings): { facts: Facts; url: string | undefined };
  score(request: BenchRequest): { seconds: number; logits: Float64Array };
  /** One after the other. */
  latencies(requests: readonly BenchRequest[]): number[];
  /** So many clients, each sending its next request when the last was answered. */
  clients(work: { clients: number; requests: readonly BenchRequest[] }): { seconds: number; latencies: number[] };
  /** Small requests alone, then others like them while the large ones run; those are given up at the end. */
  beside(work: {
    small: readonly BenchRequest[];
    smallBeside: readonly BenchRequest[];
    large: readonly BenchRequest[];
  }): BesideSample;
  /** Bytes: the most memory the computing process has held. */
  peak(nothing: null): number;
  close(nothing: null): null;
}

export interface BesideSample {
  alone: number[];
  beside: number[];
  /** Large requests that were answered before the last small one: then nothing was running beside it. */
  largeFinished: number;
}

export interface Statistics {
  median: number;
  lowest: number;
  highest: number;
  samples: number[];
}

/** Documents of one measurement: the tokens of each. */
export interface DocumentSet {
  readonly name: string;
  readonly lengths: readonly number[];
}

interface TrialBase {
  readonly name: string;
  readonly what: string;
  /** Names of the map of drivers. */
  readonly drivers: readonly string[];
  readonly rounds: number;
}

export type Trial =
  | (TrialBase & {
      readonly kind: "documents";
      readonly sets: readonly DocumentSet[];
      /** New queries over the same documents, after the cold one: of every driver but those that are named. */
      readonly warm: { readonly default: number; readonly [driver: string]: number };
      /** See DocumentsResult, of the standard deviation of the logits. */
      readonly tolerance: number;
      /** Whether the machine's matrix product is measured in every round. */
      readonly limit?: boolean;
    })
  | (TrialBase & {
      readonly kind: "clients";
      readonly levels: readonly { clients: number; requests: number }[];
      readonly set: DocumentSet;
    })
  | (TrialBase & { readonly kind: "beside"; readonly small: DocumentSet; readonly large: DocumentSet; readonly requests: number })
  | (TrialBase & { readonly kind: "startup"; readonly set: DocumentSet })
  | (TrialBase & { readonly kind: "overhead"; readonly set: DocumentSet; readonly requests: number });

export type TrialOf<Kind extends Trial["kind"]> = Extract<Trial, { kind: Kind }>;

/** What was measured of one driver on one set. */
export interface DocumentsSample {
  /** Seconds of a request over documents never seen. */
  cold: Statistics;
  /** Seconds of the requests with new queries over the same documents; absent when none were sent. */
  warm?: Statistics;
  /** Root mean square to the reference's logits of the same requests; null for a driver with weights of its own. */
  difference: number | null;
  agrees: boolean;
}

export interface DocumentsResult {
  kind: "documents";
  reference: string;
  /** How large that may be for a driver to have done the same work. */
  tolerance: number;
  sets: {
    name: string;
    documents: number;
    /** Of all pairs of one request: the prompt, query and score token included. */
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

export interface StartupResult {
  kind: "startup";
  drivers: Record<string, Statistics>;
}

export interface OverheadResult {
  kind: "overhead";
  library: Statistics;
  http: Statistics;
}

export type TrialResult = DocumentsResult | ClientsResult | BesideResult | StartupResult | OverheadResult;

/** One trial as it is written down. */
export interface Measured {
  what: string;
  model: string;
  date: string;
  commit: string;
  /** The same for all trials of one run. */
  run: string;
  seconds: number;
  /** Drivers that could not run, and why. */
  left: Record<string, string>;
  facts: Record<string, Facts>;
  result: TrialResult;
}

export interface ModelFacts {
  name: string;
  sha256: string;
  fileBytes: number;
  description: string;
  /** Operations of the layers for one token; attention over other tokens not counted. */
  flopPerToken: number;
}

export interface Results {
  machine: { cpu: string; cores: number; memoryBytes: number; features: string[]; device: string; node: string };
  llamaCpp: string;
  models: Record<string, ModelFacts>;
  trials: Record<string, Measured>;
}
