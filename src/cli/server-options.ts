/** What the service is started with, from the settings. */

import { defaultMaxRssBytes } from "../server/pressure.js";
import type { ServiceOptions } from "../server/service.js";
import type { ServerSettings } from "./flags.js";

/** OpenTelemetry's packages are loaded here, and only when spans are wanted. */
export async function serverOptions(
  settings: ServerSettings,
  modelName: string,
): Promise<Omit<ServiceOptions, "load" | "logger">> {
  const { host, port, requestTimeoutMs, bodyLimitMb, bodiesLimitMb, maxEventLoopDelayMs, maxRssMb, drainDelayMs } = settings;
  const { apiKeys, apiKeysFile, corsOrigins, otelEndpoint } = settings;
  return {
    modelName,
    address: { host, port },
    ...{ requestTimeoutMs, maxEventLoopDelayMs, drainDelayMs },
    bodyLimitBytes: bodyLimitMb * 2 ** 20,
    // The largest body must fit the share that large ones have.
    bodiesLimitBytes: Math.max(bodiesLimitMb, 2 * bodyLimitMb) * 2 ** 20,
    maxRssBytes: maxRssMb === undefined ? defaultMaxRssBytes() : maxRssMb * 2 ** 20,
    ...(apiKeys && { apiKeys }),
    ...(apiKeysFile !== undefined && { apiKeysFile }),
    ...(corsOrigins && { corsOrigins }),
    ...(otelEndpoint !== undefined && {
      tracing: (await import("../server/open-telemetry.js")).startTracing(otelEndpoint),
    }),
  };
}
