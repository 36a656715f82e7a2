/** `download`: fetches the model's files, or makes the vision tower's, in the hub's cache and prints their paths. */

import { RerankError } from "../errors.js";
import { fitsOfficialHead, modelReference, withWaysOn } from "../load.js";
import { type FetchedModel, fetchModel } from "../model/fetch-model.js";
import { hubEnvironment } from "../model/hub-environment.js";
import type { VisionType } from "../model/vision-file.js";
import type { HubModelSettings } from "../settings/table.js";
import { fetchVision } from "../vision/fetch-vision.js";
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
  const onTransfer = (transfer: Parameters<typeof writeTransfer>[0]) => display.update(transfer);
  try {
    return await fetchVision(await hubEnvironment(settings), settings.visionId, { type, onTransfer, logger: display });
  } catch (error) {
    if (!(error instanceof RerankError) || (error.code !== "hub_unreachable" && error.code !== "not_cached")) throw error;
    const message = [
      `${error.message}. Ways on:`,
      "  copy it      run this command on another machine, copy the file it prints, set MMPROJ_PATH to it",
      "  a mirror     set HF_ENDPOINT to a mirror of the hub that can be reached; proxies are read from HTTPS_PROXY",
    ].join("\n");
    throw new RerankError(error.code, message, { cause: error });
  }
}
