/** Loads OpenTelemetry's packages. They are optional peers, 28 MB that only a service with a collector needs. */

import { RerankError } from "../../errors.js";
import { codeOf } from "../../files/disk-failure.js";
import type { Collector, Tracing } from "./open-telemetry.js";

export const tracingPackages = [
  "@opentelemetry/api@1",
  "@opentelemetry/exporter-trace-otlp-http@0.223",
  "@opentelemetry/exporter-trace-otlp-proto@0.223",
  "@opentelemetry/resources@2",
  "@opentelemetry/sdk-trace-base@2",
];

/** Throws invalid_option with the command to type when one of the packages is not installed. */
export async function loadTracing(collector: Collector): Promise<Tracing> {
  const { startTracing } = await import("./open-telemetry.js").catch((error: unknown) => {
    if (codeOf(error) !== "ERR_MODULE_NOT_FOUND") throw error;
    const message = `spans for ${collector.url} need OpenTelemetry's packages; install them with: npm install ${tracingPackages.join(" ")}`;
    throw new RerankError("invalid_option", message, { cause: error });
  });
  return startTracing(collector);
}
