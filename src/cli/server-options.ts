/** Makes the service's options from the settings. */

import type { Collector } from "../server/observe/open-telemetry.js";
import { defaultMaxRssBytes } from "../server/pressure.js";
import type { ServiceOptions } from "../server/service.js";
import type { Settings } from "../settings/table.js";

/** Loads OpenTelemetry's packages, only where a collector is set. */
export async function serverOptions(settings: Settings, modelName: string): Promise<Omit<ServiceOptions, "load" | "logger">> {
  const { host, port, requestTimeoutMs, bodyLimitMb, bodiesLimitMb, maxEventLoopDelayMs, maxRssMb, drainDelayMs } = settings;
  const { apiKeys, apiKeysFile, corsOrigins } = settings;
  const collector = collectorOf(settings);
  return {
    modelName,
    address: { host, port },
    ...{ requestTimeoutMs, maxEventLoopDelayMs, drainDelayMs },
    bodyLimitBytes: bodyLimitMb * 2 ** 20,
    // The largest body must fit beside what is kept for small ones.
    bodiesLimitBytes: Math.max(bodiesLimitMb, 2 * bodyLimitMb) * 2 ** 20,
    maxRssBytes: maxRssMb === undefined ? defaultMaxRssBytes() : maxRssMb * 2 ** 20,
    ...(apiKeys && { apiKeys }),
    ...(apiKeysFile !== undefined && { apiKeysFile }),
    ...(corsOrigins && { corsOrigins }),
    ...(collector && { tracing: (await import("../server/observe/open-telemetry.js")).startTracing(collector) }),
  };
}

/** The variables for traces win over the general ones, as OpenTelemetry specifies. undefined = nothing is traced. */
export function collectorOf({
  otelEndpoint,
  otelTracesEndpoint,
  otelProtocol,
  otelTracesProtocol,
}: Pick<Settings, "otelEndpoint" | "otelTracesEndpoint" | "otelProtocol" | "otelTracesProtocol">): Collector | undefined {
  const below = otelEndpoint === undefined ? undefined : `${otelEndpoint.replace(/\/+$/, "")}/v1/traces`;
  const url = otelTracesEndpoint ?? below;
  return url === undefined ? undefined : { url, protocol: otelTracesProtocol ?? otelProtocol };
}
