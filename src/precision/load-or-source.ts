/** Loads converted weights, or the file they were converted from where they cannot be loaded. */

import { fromNative, RerankError } from "../errors.js";
import { removeRecorded } from "../model/recorded-file.js";
import type { Logger, PrecisionChoice } from "../types.js";

/**
 * Where the source loads and the converted file does not, the converted file is removed, unless only memory was missing; the
 * next start converts again. Where neither loads, this rejects with the source's error and keeps the converted file.
 */
export async function loadOrSource<Loaded>(
  choice: PrecisionChoice,
  source: string,
  load: (modelPath: string) => Promise<Loaded>,
  logger: Logger,
): Promise<{ readonly loaded: Loaded; readonly choice: PrecisionChoice }> {
  if (choice.modelPath === source) return { loaded: await load(source), choice };
  try {
    return { loaded: await load(choice.modelPath), choice };
  } catch (error) {
    const loaded = await load(source);
    const known = fromNative(error);
    const memory = known instanceof RerankError && known.code === "out_of_memory";
    if (!memory) await removeRecorded(choice.modelPath);
    const why = known instanceof Error ? known.message : String(known);
    const reason = `the weights in ${choice.precision} could not be loaded${memory ? "" : " and were removed"}: ${why}`;
    logger.warn(`${reason}; the file's own are computed with, and the next start tries again`);
    return { loaded, choice: { ...choice, precision: "file", modelPath: source, reason } };
  }
}
