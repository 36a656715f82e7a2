/** `serve`: runs the HTTP service until a signal ends it. */

import { demoNotice, modelName, modelSource } from "../load.js";
import { transferFields } from "../model/transfer.js";
import { loadAddon } from "../native/addon.js";
import { activityNotice } from "../precision/activity.js";
import { reloadOnHangUp, stopOnSignals } from "../server/listen.js";
import { type Service, startService } from "../server/service.js";
import type { Settings } from "../settings/table.js";
import type { LoadActivity } from "../types.js";
import { loadModel } from "./load-model.js";
import { createLogger } from "./logger.js";
import { serviceOptions } from "./service-options.js";
import { TransferDisplay } from "./transfer-display.js";

export async function serve(settings: Settings): Promise<void> {
  const { keepAliveOnFailure } = settings;
  const source = modelSource(settings);
  const logger = createLogger(settings, process.stdout);
  // llama.cpp logs much while it loads: its level info is our debug.
  loadAddon().binding.setLogSink((level, line) => logger[level === "info" ? "debug" : level]({ from: "llama.cpp" }, line));
  let service: Service | undefined;
  let activity: LoadActivity | undefined;
  // Signals are handled before the port opens.
  stopOnSignals(async () => {
    logger.info({ in_flight: service?.context.requests.inFlight ?? 0 }, "draining");
    await service?.stop();
    logger.info("stopped");
  });
  using display = new TransferDisplay((transfer) => logger.info(transferFields(transfer), transfer.phase));
  service = await startService({
    ...(await serviceOptions(settings, modelName(source))),
    logger,
    load: (onProgress) =>
      loadModel(source, settings, {
        logger,
        onProgress: (fraction, what) => {
          onProgress(fraction, what);
          if (typeof what === "object") return display.update(what);
          display[Symbol.dispose]();
          // One line for each activity, since one may take a minute.
          if (what !== "loading" && what !== activity) logger.info({ activity: what }, activityNotice[what]);
          activity = what;
        },
      }),
  });
  reloadOnHangUp(service.context);
  if (source.kind === "demo") logger.warn(demoNotice);
  try {
    const { info, precision } = await service.loaded;
    const { device, deviceDescription, threads, contextSize, batchTokens, reproducible, vision } = info;
    logger.info(
      {
        port: service.port,
        model: modelName(source),
        device,
        device_description: deviceDescription,
        threads,
        context_size: contextSize,
        batch_tokens: batchTokens,
        reproducible,
        ...(vision && { image_max_tokens: vision.maxTokens }),
        precision: precision.precision,
        precision_reason: precision.reason,
      },
      "ready",
    );
  } catch (error) {
    if (keepAliveOnFailure) {
      logger.error({ port: service.port, err: error }, "failed; staying up to say so, as KEEP_ALIVE_ON_FAILURE asks");
      return;
    }
    await service.stop();
    throw error;
  }
}
