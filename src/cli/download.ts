/** `download`: the model's files into the hub's cache; prints where they are. */

import { fetchModel } from "../model/fetch-model.js";
import { hubEnvironment } from "../model/hub-environment.js";
import type { HubModelSettings } from "./flags.js";
import { writeTransfer } from "./load-with-progress.js";
import { modelReference, withWaysOn } from "./model-source.js";
import { TransferDisplay } from "./transfer-display.js";

export async function download(settings: HubModelSettings): Promise<void> {
  using display = new TransferDisplay(writeTransfer);
  const { modelPath, headPath } = await withWaysOn(settings, async () =>
    fetchModel(await hubEnvironment(settings), modelReference(settings), {
      withHead: true,
      onTransfer: (transfer) => display.update(transfer),
      onNotice: (notice) => display.notice(notice),
    }),
  );
  process.stdout.write(`${modelPath}\n${headPath}\n`);
}
