/** Loading a model for a command that ends: fetch and load are shown on stderr. */

import type { Reranker } from "../reranker.js";
import type { ModelSettings } from "./flags.js";
import { demoNotice, loadModel, type ModelSource } from "./model-source.js";
import { Progress } from "./progress.js";
import { TransferDisplay, transferLine } from "./transfer-display.js";

export async function loadWithProgress(source: ModelSource, settings: ModelSettings): Promise<Reranker> {
  if (source.kind === "demo") process.stderr.write(`jina-reranker: ${demoNotice}\n`);
  using display = new TransferDisplay(writeTransfer);
  using progress = new Progress("loading the model", 1);
  return await loadModel(source, settings, {
    onNotice: (notice) => display.notice(notice),
    onProgress: (fraction, transfer) => {
      if (transfer) display.update(transfer);
      else {
        display[Symbol.dispose]();
        progress.update(fraction);
      }
    },
  });
}

export function writeTransfer(transfer: Parameters<typeof transferLine>[0]): void {
  process.stderr.write(`jina-reranker: ${transferLine(transfer)}\n`);
}
