/** Makes the service's options from the settings. */

import { loadTracing } from "../server/observe/load-tracing.js";
import type { Collector } from "../server/observe/open-telemetry.js";
import { serverOptions } from "../server/options.js";
import type { ServiceOptions } from "../server/service.js";
import type { Settings } from "../settings/table.js";

/** Loads OpenTelemetry's packages, only where a collector is set. */
export async function serviceOptions(settings: Settings, modelName: string): Promise<Omit<ServiceOptions, "load" | "logger">> {
  const { host, port, drainDelayMs } = settings;
  const collector = collectorOf(settings);
  return {
    ...serverOptions(modelName, settings),
    ...{ address: { host, port }, drainDelayMs },
    ...(collector && { tracing: await loadTracing(collector) }),
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
