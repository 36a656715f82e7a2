/** Loading converted weights, or the source where they cannot be loaded: the source is right by definition. */

import { fromNative, RerankError } from "../errors.js";
import { removeRecorded } from "../model/recorded-file.js";
import type { PrecisionChoice } from "./weights.js";

/**
 * When the source cannot be loaded either, its error counts, and nothing is known against the converted file. Otherwise that
 * is removed, unless only memory was missing, and the next start converts again.
 */
export async function loadOrSource<Loaded>(
  choice: PrecisionChoice,
  source: string,
  load: (modelPath: string) => Promise<Loaded>,
  onNotice: (notice: string) => void,
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
    onNotice(`${reason}; the file's own are computed with, and the next start tries again`);
    return { loaded, choice: { ...choice, precision: "file", modelPath: source, reason } };
  }
}
