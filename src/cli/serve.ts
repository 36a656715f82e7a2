/** `serve`: the HTTP service, until a signal ends it. */

import { pino } from "pino";
import { transferFields } from "../model/transfer.js";
import { loadAddon } from "../native/addon.js";
import { stopOnSignals } from "../server/listen.js";
import { type Service, startService } from "../server/service.js";
import type { ServerSettings } from "./flags.js";
import { demoNotice, loadModel, modelName, modelSource } from "./model-source.js";
import { TransferDisplay } from "./transfer-display.js";

export async function serve(settings: ServerSettings): Promise<void> {
  const { port, host, requestTimeoutMs, bodyLimitMb, keepAliveOnFailure, logLevel } = settings;
  const source = modelSource(settings);
  const logger = pino({ level: logLevel });
  // llama.cpp tells much while it loads: its info is our debug.
  loadAddon().binding.setLogSink((level, line) => logger[level === "info" ? "debug" : level]({ from: "llama.cpp" }, line));
  let service: Service | undefined;
  // Before the port is open: from then on a signal may come.
  stopOnSignals(async () => {
    logger.info({ in_flight: service?.context.inFlight ?? 0 }, "draining");
    await service?.stop();
    logger.info("stopped");
  });
  using display = new TransferDisplay((transfer) => logger.info(transferFields(transfer), transfer.phase));
  service = await startService({
    modelName: modelName(source),
    requestTimeoutMs,
    bodyLimitBytes: bodyLimitMb * 2 ** 20,
    address: { host, port },
    logger,
    load: (onProgress) =>
      loadModel(source, settings, {
        onNotice: (notice) => logger.warn(notice),
        onProgress: (fraction, transfer) => {
          onProgress(fraction, transfer);
          if (transfer) display.update(transfer);
          else display[Symbol.dispose]();
        },
      }),
  });
  if (source.kind === "demo") logger.warn(demoNotice);
  try {
    const { info } = await service.loaded;
    const { device, deviceDescription, threads, contextSize, batchTokens, reproducible } = info;
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
