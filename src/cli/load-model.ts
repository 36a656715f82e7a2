/** Loads the model that a command was asked for. */

import { type ModelSource, modelFiles, towerFile } from "../load.js";
import { requireModelFile } from "../model/local-file.js";
import type { Transfer } from "../model/transfer.js";
import { Reranker } from "../reranker.js";
import { type ModelSettings, optionSettings, type Settings, settingsOf } from "../settings/table.js";
import { towerChoice } from "../settings/tower-choice.js";
import type { LoadActivity, LoadOptions, Logger } from "../types.js";

export interface LoadEvents {
  /** A fraction from 0 to 1, and of what: the transfer while files are fetched, then the activity. */
  readonly onProgress: (fraction: number, what: Transfer | LoadActivity) => void;
  readonly logger: Logger;
}

/** For commands whose own output is all that a user wants to see. */
export const silent: Logger = { info: () => {}, warn: () => {} };

export async function loadModel(
  source: ModelSource,
  settings: ModelSettings & Partial<Settings>,
  events: LoadEvents,
): Promise<Reranker> {
  const options = await loadOptions(source, settings, events);
  if (source.kind === "hub") events.onProgress(0, "loading");
  return Reranker.load({ ...options, ...events });
}

/** Those that a command's settings come to. Missing files of the model are fetched, or written. */
export async function loadOptions(
  source: ModelSource,
  settings: ModelSettings & Partial<Settings>,
  { onProgress, logger }: LoadEvents,
): Promise<LoadOptions> {
  const onTransfer = (transfer: Transfer) => onProgress(transfer.bytes / Math.max(1, transfer.totalBytes), transfer);
  const tower = towerChoice(settings, source.kind === "demo");
  // A wrong path shows before a gigabyte is fetched.
  if (tower.kind === "file") await requireModelFile(tower.path);
  const files = await modelFiles(source, settings, { withHead: settings.headPath === undefined, onTransfer, logger });
  // The demo model has a head of its own.
  const head = source.kind !== "demo" && settings.headPath !== undefined && { headPath: settings.headPath };
  const options = settingsOf(optionSettings, (name) => settings[name]);
  const mmprojPath = await towerFile(source, files.modelPath, settings, { onTransfer, logger });
  const vision = mmprojPath !== undefined && { mmprojPath };
  return { ...options, ...files, ...head, ...vision };
}
