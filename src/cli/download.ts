/** `download`: fetches the model's files, or makes the vision tower's, in the hub's cache and prints their paths. */

import { fitsOfficialHead, makeTower, modelReference, withWaysOn } from "../load.js";
import { type FetchedModel, fetchModel } from "../model/fetch-model.js";
import { hubEnvironment } from "../model/hub-environment.js";
import type { VisionType } from "../model/vision-file.js";
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

export async function downloadVision(settings: HubModelSettings, type: VisionType): Promise<void> {
  process.stdout.write(`${await visionWithProgress(settings, type)}\n`);
}

async function visionWithProgress(settings: HubModelSettings, type: VisionType): Promise<string> {
  using display = new TransferDisplay(writeTransfer);
  return await makeTower(settings, type, { onTransfer: (transfer) => display.update(transfer), logger: display });
}
