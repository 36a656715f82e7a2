/** `download`: the model's files into the hub's cache; prints where they are. */

import { fitsOfficialHead, modelReference, withWaysOn } from "../load.js";
import { type FetchedModel, fetchModel } from "../model/fetch-model.js";
import { hubEnvironment } from "../model/hub-environment.js";
import type { HubModelSettings } from "../settings/model-choice.js";
import { writeTransfer } from "./load-with-progress.js";
import { TransferDisplay } from "./transfer-display.js";

export async function download(settings: HubModelSettings): Promise<void> {
  const { modelPath, headPath } = await withWaysOn(settings, () => fetchWithProgress(settings));
  process.stdout.write(`${modelPath}\n${headPath}\n`);
}

/** The bar is gone when this returns: what is printed next would be wiped with it. */
async function fetchWithProgress(settings: HubModelSettings): Promise<FetchedModel> {
  using display = new TransferDisplay(writeTransfer);
  return await fetchModel(await hubEnvironment(settings), modelReference(settings), {
    withHead: true,
    fitsOfficialHead,
    onTransfer: (transfer) => display.update(transfer),
    onNotice: (notice) => display.notice(notice),
  });
}
