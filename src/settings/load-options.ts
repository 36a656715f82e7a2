/** The library's load options: checked against the table of settings, defaults filled in. */

import { dirname, join } from "node:path";
import type { EngineOptions } from "../../binding.js";
import { RerankError } from "../errors.js";
import type { DemoLoadOptions, HubLoadOptions, LoadOptions, Precision } from "../types.js";
import type { GpuName } from "./gpu-names.js";
import { type Kind, oneOf } from "./kinds.js";
import { nearest } from "./nearest.js";
import { type Setting, settings } from "./table.js";

/** What the engine is loaded with, and what the library itself needs. */
export interface ResolvedOptions extends Omit<EngineOptions, "head" | "device"> {
  headPath: string;
  precision: Precision | "auto";
  /** undefined = one engine, on the best device. */
  gpus: readonly GpuName[] | undefined;
  /** undefined = the request says how many. */
  maxDocuments: number | undefined;
}

/** For parity tests; it has no flag and no variable. */
const flashAttention = oneOf("auto", "on", "off");

const optionNames = {
  modelPath: true,
  headPath: true,
  contextSize: true,
  backend: true,
  gpuLayers: true,
  gpus: true,
  threads: true,
  batchTokens: true,
  precision: true,
  reproducible: true,
  flashAttention: true,
  kvType: true,
  maxQueuedPairs: true,
  maxDocuments: true,
  documentCacheMb: true,
  scoreCacheMb: true,
  deduplicate: true,
  onProgress: true,
  onNotice: true,
} satisfies Record<keyof LoadOptions, true>;

/** What the options name, and the options that hold for any model. */
export type NamedModel = { readonly options: Partial<LoadOptions> } & (
  | { readonly kind: "file" }
  | { readonly kind: "demo" }
  | ({ readonly kind: "hub" } & HubFile)
);

export interface HubFile {
  readonly modelId: string;
  readonly modelFile: string;
  readonly modelRevision: string;
}

type AnyOptions = Partial<LoadOptions & HubLoadOptions & DemoLoadOptions>;

/** Throws invalid_option when they name two models, or a wrong one; the rest is not looked at. undefined counts as absent. */
export function namedModel(given: LoadOptions | HubLoadOptions | DemoLoadOptions): NamedModel {
  if (typeof given !== "object" || given === null) return { kind: "file", options: given };
  const { demo, model, file, revision, ...options }: AnyOptions = given;
  const { modelPath, headPath } = options;
  const [first, second] = Object.entries({ demo, model, modelPath }).flatMap(([name, value]) =>
    value === undefined ? [] : [name],
  );
  if (second !== undefined) {
    throw new RerankError("invalid_option", `${second}: not with ${first}, which names another model; leave one of them out`);
  }
  if (model === undefined && (file ?? revision) !== undefined) {
    const name = file === undefined ? "revision" : "file";
    throw new RerankError("invalid_option", `${name}: only with model, the repository that it is of`);
  }
  if (demo !== undefined) {
    if (demo !== true) throw new RerankError("invalid_option", `demo: expected true, got ${describe(demo)}`);
    if (headPath !== undefined) {
      throw new RerankError("invalid_option", "headPath: not with demo, which has a score head of its own");
    }
    return { kind: "demo", options };
  }
  if (model === undefined) return { kind: "file", options };
  return {
    kind: "hub",
    modelId: required("model", settings.modelId.kind, model),
    modelFile: required("file", settings.modelFile.kind, file ?? settings.modelFile.default),
    modelRevision: required("revision", settings.modelRevision.kind, revision ?? settings.modelRevision.default),
    options,
  };
}

/** Throws invalid_option, naming the option, what was expected and what came. */
export function resolveLoadOptions(options: Partial<LoadOptions>): ResolvedOptions {
  if (typeof options !== "object" || options === null) {
    throw new RerankError("invalid_option", `options: expected an object, got ${describe(options)}`);
  }
  refuseUnknown(Object.keys(options));
  for (const name of ["onProgress", "onNotice"] as const) {
    if (options[name] === undefined || typeof options[name] === "function") continue;
    throw new RerankError("invalid_option", `${name}: expected a function, got ${describe(options[name])}`);
  }
  const modelPath = required("modelPath", settings.modelPath.kind, options.modelPath);
  const maxQueuedPairs = setting("maxQueuedPairs", settings.maxQueuedPairs, options.maxQueuedPairs);
  const resolved: ResolvedOptions = {
    modelPath,
    headPath: checked("headPath", settings.headPath.kind, options.headPath) ?? join(dirname(modelPath), "mlp_weights.npz"),
    contextSize: setting("contextSize", settings.contextSize, options.contextSize),
    backend: setting("backend", settings.backend, options.backend),
    gpuLayers: setting("gpuLayers", settings.gpuLayers, options.gpuLayers),
    gpus: checked("gpus", settings.gpus.kind, options.gpus),
    threads: setting("threads", settings.threads, options.threads),
    batchTokens: setting("batchTokens", settings.batchTokens, options.batchTokens),
    precision: setting("precision", settings.precision, options.precision),
    reproducible: setting("reproducible", settings.reproducible, options.reproducible),
    flashAttention: checked("flashAttention", flashAttention, options.flashAttention) ?? "auto",
    kvType: setting("kvType", settings.kvType, options.kvType),
    maxQueuedPairs,
    documentCacheBytes: setting("documentCacheMb", settings.documentCacheMb, options.documentCacheMb) * 2 ** 20,
    scoreCacheBytes: setting("scoreCacheMb", settings.scoreCacheMb, options.scoreCacheMb) * 2 ** 20,
    deduplicate: setting("deduplicate", settings.deduplicate, options.deduplicate),
    maxDocuments: checked("maxDocuments", settings.maxDocuments.kind, options.maxDocuments),
  };
  if (resolved.gpuLayers === 0 && resolved.backend !== "auto" && resolved.backend !== "cpu") {
    throw new RerankError("invalid_option", `backend: expected auto or cpu with gpuLayers 0, got "${resolved.backend}"`);
  }
  if (resolved.gpuLayers === 0 && resolved.gpus?.some((gpu) => gpu !== "cpu")) {
    throw new RerankError(
      "invalid_option",
      "gpus: expected only cpu with gpuLayers 0, which is the CPU, got the number of a GPU",
    );
  }
  return resolved;
}

function setting<Value>(name: keyof LoadOptions, row: Setting<Value>, value: unknown): Value {
  return required(name, row.kind, value ?? row.default);
}

function required<Value>(name: keyof LoadOptions | keyof HubLoadOptions, kind: Kind<Value>, value: unknown): Value {
  if (kind.accepts(value)) return value;
  throw new RerankError("invalid_option", `${name}: expected ${kind.allowed}, got ${describe(value)}`);
}

function checked<Value>(name: keyof LoadOptions, kind: Kind<Value>, value: unknown): Value | undefined {
  return value === undefined ? undefined : required(name, kind, value);
}

function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

function refuseUnknown(names: readonly string[]): void {
  const known = [...Object.keys(optionNames), "model", "file", "revision", "demo"];
  const unknown = names.find((name) => !Object.hasOwn(optionNames, name));
  if (unknown === undefined) return;
  throw new RerankError("invalid_option", `${unknown}: no such option; the nearest is ${nearest(unknown, known)}`);
}
