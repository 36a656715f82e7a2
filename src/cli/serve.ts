/** `serve`: the HTTP service, until a signal ends it. */

import { pino } from "pino";
import { native } from "../native.js";
import { stopOnSignals } from "../server/listen.js";
import { type Service, startService } from "../server/service.js";
import type { ServerSettings } from "./flags.js";
import { demoNotice, loadModel, modelName, modelSource } from "./model-source.js";

export async function serve(settings: ServerSettings): Promise<void> {
  const { port, host, requestTimeoutMs, bodyLimitMb, logLevel } = settings;
  const source = modelSource(settings);
  const logger = pino({ level: logLevel });
  // llama.cpp tells much while it loads: its info is our debug.
  native.setLogSink((level, line) => logger[level === "info" ? "debug" : level]({ from: "llama.cpp" }, line));
  let service: Service | undefined;
  // Before the port is open: from then on a signal may come.
  stopOnSignals(async () => {
    logger.info({ in_flight: service?.context.inFlight ?? 0 }, "draining");
    await service?.stop();
    logger.info("stopped");
  });
  service = await startService({
    modelName: modelName(source),
    requestTimeoutMs,
    bodyLimitBytes: bodyLimitMb * 2 ** 20,
    address: { host, port },
    logger,
    load: (onProgress) => loadModel(source, settings, onProgress),
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
    await service.stop();
    throw error;
  }
}
