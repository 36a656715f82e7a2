/** What the service is started with, from the settings. */

import type { Collector } from "../server/observe/open-telemetry.js";
import { defaultMaxRssBytes } from "../server/pressure.js";
import type { ServiceOptions } from "../server/service.js";
import type { ServerSettings } from "../settings/flags.js";

/** OpenTelemetry's packages are loaded here, and only when spans are wanted. */
export async function serverOptions(
  settings: ServerSettings,
  modelName: string,
): Promise<Omit<ServiceOptions, "load" | "logger">> {
  const { host, port, requestTimeoutMs, bodyLimitMb, bodiesLimitMb, maxEventLoopDelayMs, maxRssMb, drainDelayMs } = settings;
  const { apiKeys, apiKeysFile, corsOrigins } = settings;
  const collector = collectorOf(settings);
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
    ...(collector && { tracing: (await import("../server/observe/open-telemetry.js")).startTracing(collector) }),
  };
}

/** The variables for spans win over those for everything, as OpenTelemetry has it. undefined: nothing is traced. */
export function collectorOf({
  otelEndpoint,
  otelTracesEndpoint,
  otelProtocol,
  otelTracesProtocol,
}: Pick<ServerSettings, "otelEndpoint" | "otelTracesEndpoint" | "otelProtocol" | "otelTracesProtocol">): Collector | undefined {
  const below = otelEndpoint === undefined ? undefined : `${otelEndpoint.replace(/\/+$/, "")}/v1/traces`;
  const url = otelTracesEndpoint ?? below;
  return url === undefined ? undefined : { url, protocol: otelTracesProtocol ?? otelProtocol };
}
