/** Loads a model for a command that ends by itself, and shows the fetch and the load on stderr. */

import { demoNotice, type ModelSource } from "../load.js";
import { activityNotice } from "../precision/activity.js";
import type { Reranker } from "../reranker.js";
import type { ModelSettings } from "../settings/table.js";
import type { LoadActivity } from "../types.js";
import { loadModel } from "./load-model.js";
import { Progress } from "./progress.js";
import { TransferDisplay, transferLine } from "./transfer-display.js";

export async function loadWithProgress(source: ModelSource, settings: ModelSettings): Promise<Reranker> {
  if (source.kind === "demo") process.stderr.write(`jina-reranker: ${demoNotice}\n`);
  using display = new TransferDisplay(writeTransfer);
  using progress = new ActivityProgress();
  return await loadModel(source, settings, {
    logger: display,
    onProgress: (fraction, what) => {
      if (typeof what === "object") return display.update(what);
      display[Symbol.dispose]();
      progress.update(fraction, what);
    },
  });
}

/** A bar for each activity of a load, one after the other. */
class ActivityProgress implements Disposable {
  #activity: LoadActivity | undefined;
  #bar: Progress | undefined;

  update(fraction: number, activity: LoadActivity): void {
    if (activity !== this.#activity) {
      this.#bar?.[Symbol.dispose]();
      this.#bar = new Progress(activityNotice[activity], 1);
      this.#activity = activity;
    }
    this.#bar?.update(fraction);
  }

  [Symbol.dispose](): void {
    this.#bar?.[Symbol.dispose]();
  }
}

export function writeTransfer(transfer: Parameters<typeof transferLine>[0]): void {
  process.stderr.write(`jina-reranker: ${transferLine(transfer)}\n`);
}
