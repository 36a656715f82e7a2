/** Loading the model that a command was asked for. */

import { type ModelSource, modelFiles } from "../load.js";
import type { Transfer } from "../model/transfer.js";
import { Reranker } from "../reranker.js";
import type { ModelSettings } from "../settings/flags.js";
import type { LoadActivity } from "../types.js";

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
  const { maxDocuments, contextSize, backend, gpuLayers, threads, batchTokens, precision, reproducible } = settings;
  const { gpus, kvType, maxQueuedPairs, documentCacheMb, scoreCacheMb, deduplicate } = settings;
  const options = {
    ...{ contextSize, backend, gpuLayers, threads, batchTokens, precision, reproducible, kvType, onProgress, onNotice },
    ...{ maxQueuedPairs, documentCacheMb, scoreCacheMb, deduplicate },
    ...(maxDocuments !== undefined && { maxDocuments }),
    ...(gpus !== undefined && { gpus }),
  };
  const onTransfer = (transfer: Transfer) => onProgress(transfer.bytes / Math.max(1, transfer.totalBytes), transfer);
  const files = await modelFiles(source, settings, { withHead: settings.headPath === undefined, onTransfer, onNotice });
  if (source.kind === "hub") onProgress(0, "loading");
  // The demo model has a head of its own.
  const head = source.kind !== "demo" && settings.headPath !== undefined && { headPath: settings.headPath };
  return Reranker.load({ ...options, ...files, ...head });
}
