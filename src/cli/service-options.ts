/** What the service is started with, from the settings. */

import type { Collector } from "../server/observe/open-telemetry.js";
import { serverOptions } from "../server/options.js";
import type { ServiceOptions } from "../server/service.js";
import type { ServerSettings } from "../settings/flags.js";

/** Imports OpenTelemetry's packages, when spans are wanted and only then. */
export async function serviceOptions(
  settings: ServerSettings,
  modelName: string,
): Promise<Omit<ServiceOptions, "load" | "logger">> {
  const { host, port, drainDelayMs } = settings;
  const collector = collectorOf(settings);
  return {
    ...serverOptions(modelName, settings),
    ...{ address: { host, port }, drainDelayMs },
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
