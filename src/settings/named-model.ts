/** Which model the library's options name: a file, a repository of the hub, or the demo. */

import { RerankError } from "../errors.js";
import type { DemoLoadOptions, HubLoadOptions, LoadOptions } from "../types.js";
import { type Accepted, described, required } from "./option-value.js";
import { settings } from "./table.js";

/** `options`: those that hold for any model. */
export type NamedModel = { readonly options: Partial<LoadOptions> } & (
  | { readonly kind: "file" }
  | { readonly kind: "demo" }
  | ({ readonly kind: "hub" } & HubFile)
);

export interface HubFile {
  readonly modelId: string;
  readonly modelFile: string;
  readonly modelRevision: string;
  readonly signal?: AbortSignal;
}

const abortSignal: Accepted<AbortSignal> = {
  allowed: "an AbortSignal",
  accepts: (value): value is AbortSignal => value instanceof AbortSignal,
};

type AnyOptions = Partial<LoadOptions & HubLoadOptions & DemoLoadOptions>;

/** The options that name a model, beside `modelPath` and `headPath`. */
export const namingOptions = ["model", "file", "revision", "signal", "demo"] as const;

/**
 * Throws invalid_option when the options name two models, or a model in a wrong way. It does not look at the other options.
 * undefined counts as absent.
 */
export function namedModel(given: LoadOptions | HubLoadOptions | DemoLoadOptions): NamedModel {
  if (typeof given !== "object" || given === null) return { kind: "file", options: given };
  const { demo, model, file, revision, signal, ...options }: AnyOptions = given;
  const { modelPath, headPath } = options;
  const [first, second] = Object.entries({ demo, model, modelPath }).flatMap(([name, value]) =>
    value === undefined ? [] : [name],
  );
  if (second !== undefined) {
    throw new RerankError("invalid_option", `${second}: not with ${first}, which names another model; leave one of them out`);
  }
  const [name] = Object.entries({ file, revision, signal }).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (model === undefined && name !== undefined) {
    throw new RerankError("invalid_option", `${name}: only with model, the repository that it is of`);
  }
  if (demo !== undefined) {
    if (demo !== true) throw new RerankError("invalid_option", `demo: expected true, got ${described(demo)}`);
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
    ...(signal !== undefined && { signal: required("signal", abortSignal, signal) }),
    options,
  };
}
