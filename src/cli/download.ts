/** `download`: fetches the model's files into the hub's cache and prints their paths. */

import { fitsOfficialHead, modelReference, withWaysOn } from "../load.js";
import { type FetchedModel, fetchModel } from "../model/fetch-model.js";
import { hubEnvironment } from "../model/hub-environment.js";
import type { HubModelSettings } from "../settings/table.js";
import { writeTransfer } from "./load-with-progress.js";
import { TransferDisplay } from "./transfer-display.js";

export async function download(settings: HubModelSettings): Promise<void> {
  const { modelPath, headPath } = await withWaysOn(settings, () => fetchWithProgress(settings));
  process.stdout.write(`${modelPath}\n${headPath}\n`);
}

/** Takes the bar away before it returns: the bar's end would wipe what is printed next. */
async function fetchWithProgress(settings: HubModelSettings): Promise<FetchedModel> {
  using display = new TransferDisplay(writeTransfer);
  return await fetchModel(await hubEnvironment(settings), modelReference(settings), {
    withHead: true,
    fitsOfficialHead,
    onTransfer: (transfer) => display.update(transfer),
    logger: display,
  });
}
