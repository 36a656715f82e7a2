/** Which model a command was asked for, and loading it. The demo model is never taken unless it was asked for. */

import { basename } from "node:path";
import { cachedDemoModel } from "./demo/cached-model.js";
import { RerankError } from "./errors.js";
import { fetchModel } from "./model/fetch-model.js";
import type { ModelReference } from "./model/hub-client.js";
import { hubEnvironment } from "./model/hub-environment.js";
import { checkFigures, hasOfficialShape, isOfficial } from "./model/official.js";
import type { Transfer } from "./model/transfer.js";
import { loadAddon } from "./native/addon.js";
import { Reranker } from "./reranker.js";
import type { HubModelSettings, ModelSettings } from "./settings/flags.js";
import type { LoadActivity } from "./types.js";

export type ModelSource =
  | { readonly kind: "demo" }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "hub"; readonly reference: ModelReference };

export const demoNotice =
  "the demo model is lexical and not trained: it counts query words in documents, for trying things out only";

export function modelSource(settings: Pick<ModelSettings, "demo" | "modelPath"> & HubModelSettings): ModelSource {
  if (settings.modelPath !== undefined) return { kind: "file", path: settings.modelPath };
  return settings.demo ? { kind: "demo" } : { kind: "hub", reference: modelReference(settings) };
}

export function modelReference({ modelId, modelFile, modelRevision, headId }: HubModelSettings): ModelReference {
  return { repository: modelId, file: modelFile, revision: modelRevision, headRepository: headId };
}

/** What a fetch asks of a GGUF whose repository has no score head. */
export function fitsOfficialHead(modelPath: string): boolean {
  return hasOfficialShape(loadAddon().binding.inspect(modelPath));
}

/** The `model` of answers. */
export function modelName(source: ModelSource): string {
  if (source.kind === "demo") return "lexical-demo";
  return basename(source.kind === "file" ? source.path : source.reference.file).replace(/\.gguf$/i, "");
}

export interface LoadEvents {
  /** A fraction from 0 to 1, and of what: the transfer while files are being fetched. */
  readonly onProgress: (fraction: number, what: Transfer | LoadActivity) => void;
  /** Things to know, each in one line. */
  readonly onNotice: (notice: string) => void;
}

export async function loadModel(
  source: ModelSource,
  settings: ModelSettings & { readonly maxDocuments?: number | undefined },
  { onProgress, onNotice }: LoadEvents,
): Promise<Reranker> {
  const { headPath, maxDocuments, contextSize, backend, gpuLayers, threads, batchTokens, precision, reproducible } = settings;
  const { gpus, kvType, maxQueuedPairs, documentCacheMb, scoreCacheMb, deduplicate } = settings;
  const options = {
    ...{ contextSize, backend, gpuLayers, threads, batchTokens, precision, reproducible, kvType, onProgress, onNotice },
    ...{ maxQueuedPairs, documentCacheMb, scoreCacheMb, deduplicate },
    ...(maxDocuments !== undefined && { maxDocuments }),
    ...(gpus !== undefined && { gpus }),
    ...(headPath !== undefined && { headPath }),
  };
  switch (source.kind) {
    case "demo":
      return Reranker.load({ ...options, ...(await cachedDemoModel()) });
    case "file":
      return Reranker.load({ ...options, modelPath: source.path });
    case "hub": {
      const onTransfer = (transfer: Transfer) => onProgress(transfer.bytes / Math.max(1, transfer.totalBytes), transfer);
      const fetched = await withWaysOn(settings, async () =>
        fetchModel(await hubEnvironment(settings), source.reference, {
          withHead: headPath === undefined,
          fitsOfficialHead,
          onTransfer,
          onNotice,
        }),
      );
      onProgress(0, "loading");
      const head = fetched.headPath !== undefined && { headPath: fetched.headPath };
      const reranker = await Reranker.load({ ...options, modelPath: fetched.modelPath, ...head });
      return isOfficial(source.reference.repository) ? await checked(reranker, fetched.modelPath) : reranker;
    }
  }
}

async function checked(reranker: Reranker, path: string): Promise<Reranker> {
  try {
    checkFigures(reranker.info, path);
    return reranker;
  } catch (error) {
    await reranker.close();
    throw error;
  }
}

/** Where the hub cannot be asked, what is missing and what can be done instead. */
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
