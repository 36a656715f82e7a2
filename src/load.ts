/** Finds the model that was asked for, and its files. The demo model is taken only when it was asked for by name. */

import { basename } from "node:path";
import type { WeightsInfo } from "../binding.js";
import { cachedDemoModel } from "./demo/cached-model.js";
import { fromNative, RerankError } from "./errors.js";
import { fetchModel } from "./model/fetch-model.js";
import type { ModelReference } from "./model/hub-client.js";
import { hubEnvironment } from "./model/hub-environment.js";
import { hasOfficialShape, isOfficial, officialVisionRepository, requireOfficialShape } from "./model/official.js";
import type { Transfer } from "./model/transfer.js";
import { findVisionFile, type VisionType, visionFile } from "./model/vision-file.js";
import { loadAddon } from "./native/addon.js";
import { resolveLoadOptions } from "./settings/load-options.js";
import { type NamedModel, namedModel } from "./settings/named-model.js";
import { readSettings } from "./settings/read.js";
import { type HubModelSettings, hubAccess, type Settings } from "./settings/table.js";
import { towerChoice } from "./settings/tower-choice.js";
import type { DemoLoadOptions, HubLoadOptions, LoadOptions, Logger } from "./types.js";
import { fetchVision } from "./vision/fetch-vision.js";

export type ModelSource =
  | { readonly kind: "demo" }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "hub"; readonly reference: ModelReference };

export const demoNotice =
  "the demo model is lexical and not trained: it counts query words in documents, for trying things out only";

export function modelSource(settings: Pick<Settings, "demo" | "modelPath"> & HubModelSettings): ModelSource {
  if (settings.modelPath !== undefined) return { kind: "file", path: settings.modelPath };
  return settings.demo ? { kind: "demo" } : { kind: "hub", reference: modelReference(settings) };
}

export function modelReference({ modelId, modelFile, modelRevision, headId }: HubModelSettings): ModelReference {
  return { repository: modelId, file: modelFile, revision: modelRevision, headRepository: headId };
}

/** Whether the official score head fits this GGUF, whose repository has none. */
export function fitsOfficialHead(modelPath: string): boolean {
  return hasOfficialShape(weightsOf(modelPath));
}

function weightsOf(modelPath: string): WeightsInfo {
  try {
    return loadAddon().binding.inspect(modelPath);
  } catch (error) {
    throw fromNative(error);
  }
}

/** The `model` of answers. */
export function modelName(source: ModelSource): string {
  if (source.kind === "demo") return "lexical-demo";
  return basename(source.kind === "file" ? source.path : source.reference.file).replace(/\.gguf$/i, "");
}

/** The `model` of answers, for what the library's options name. Throws invalid_option when they name none, or two. */
export function nameOf(options: LoadOptions | HubLoadOptions | DemoLoadOptions): string {
  const model = namedModel(options);
  switch (model.kind) {
    case "demo":
      return modelName({ kind: "demo" });
    case "file":
      return modelName({ kind: "file", path: resolveLoadOptions(model.options).modelPath });
    case "hub":
      return modelName({ kind: "file", path: model.modelFile });
  }
}

export interface FileEvents {
  readonly onTransfer: (transfer: Transfer) => void;
  readonly logger: Logger;
}

export interface NamedFiles {
  readonly modelPath: string;
  /** undefined = beside the model. */
  readonly headPath?: string;
}

/** The files of a model; missing ones are fetched, or written. `withHead`: false where the caller has a head of its own. */
export async function modelFiles(
  source: ModelSource,
  settings: HubModelSettings,
  { withHead, ...events }: FileEvents & { readonly withHead: boolean; readonly signal?: AbortSignal },
): Promise<NamedFiles> {
  switch (source.kind) {
    case "demo":
      return cachedDemoModel();
    case "file":
      return { modelPath: source.path };
    case "hub": {
      const { modelPath, headPath } = await withWaysOn(settings, async () =>
        fetchModel(await hubEnvironment(settings), source.reference, { withHead, fitsOfficialHead, ...events }),
      );
      if (isOfficial(source.reference.repository)) requireOfficialShape(weightsOf(modelPath), modelPath);
      return { modelPath, ...(headPath !== undefined && { headPath }) };
    }
  }
}

/**
 * The vision tower's file; undefined = images are refused. For a model of the hub a missing one is made, as `download --vision`
 * does. Throws invalid_option, or model_not_found when there is none for a model in a local file.
 */
export async function towerFile(
  source: ModelSource,
  modelPath: string,
  settings: Pick<Settings, "images" | "mmprojPath"> & HubModelSettings,
  events: FileEvents,
): Promise<string | undefined> {
  const choice = towerChoice(settings, source.kind === "demo");
  switch (choice.kind) {
    case "none":
      return undefined;
    case "file":
      return choice.path;
    case "found": {
      const found = await findVisionFile(modelPath, settings);
      if (found !== undefined) return found;
      const { offline } = await hubEnvironment(settings);
      return source.kind === "hub" && !offline ? makeTower(settings, "q8_0", events) : visionFile(modelPath, settings);
    }
  }
}

/** Makes the vision tower's file from the weights on the hub. Where it cannot be asked, the error says what else can be done. */
export async function makeTower(
  settings: HubModelSettings,
  type: VisionType,
  { onTransfer, logger }: FileEvents,
): Promise<string> {
  try {
    return await fetchVision(await hubEnvironment(settings), settings.visionId, { type, onTransfer, logger });
  } catch (error) {
    if (!(error instanceof RerankError) || (error.code !== "hub_unreachable" && error.code !== "not_cached")) throw error;
    const message = [
      `${error.message}. Ways on:`,
      "  copy it      run `jina-reranker download --vision` on another machine, copy the file it prints, set MMPROJ_PATH to it",
      "  a mirror     set HF_ENDPOINT to a mirror of the hub that can be reached; proxies are read from HTTPS_PROXY",
    ].join("\n");
    throw new RerankError(error.code, message, { cause: error });
  }
}

/** As `modelFiles`, for a model that the library's options name. The environment says where the hub is, and has the token. */
export async function namedFiles(
  model: Exclude<NamedModel, { kind: "file" }>,
  events: FileEvents & { readonly withHead: boolean },
): Promise<NamedFiles> {
  if (model.kind === "demo") return cachedDemoModel();
  const { modelId, modelFile, modelRevision, signal } = model;
  const settings = {
    ...readSettings(hubAccess, {}, process.env),
    modelId,
    modelFile,
    modelRevision,
    headId: undefined,
    visionId: officialVisionRepository,
  };
  return modelFiles({ kind: "hub", reference: modelReference(settings) }, settings, { ...events, ...(signal && { signal }) });
}

/** Where the hub cannot be asked, adds to the error which files are missing and what the user can do instead. */
export async function withWaysOn<Value>(settings: HubModelSettings, action: () => Promise<Value>): Promise<Value> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof RerankError) || (error.code !== "hub_unreachable" && error.code !== "not_cached")) throw error;
    const { modelId, modelFile } = settings;
    const message = [
      `${error.message}.`,
      `Missing: ${modelFile} and mlp_weights.npz of ${modelId}. Ways on:`,
      "  copy them    fetch both files on another machine, put them into one folder, set MODEL_PATH (or --model) to the GGUF",
      "  a mirror     set HF_ENDPOINT to a mirror of the hub that can be reached; proxies are read from HTTPS_PROXY",
      "  --demo       the built-in demo model, which counts words and is not trained",
    ].join("\n");
    throw new RerankError(error.code, message, { cause: error });
  }
}
