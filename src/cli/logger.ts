/** Makes the service's log: lines of JSON, or lines for people. */

import { type Logger, pino } from "pino";
import type { Settings } from "../settings/table.js";

export function logStyle(format: Settings["logFormat"], terminal: boolean): "json" | "pretty" {
  if (format !== "auto") return format;
  return terminal ? "pretty" : "json";
}

/** Loads pino-pretty only where lines are for people. */
export async function createLogger(
  { logLevel: level, logFormat }: Pick<Settings, "logLevel" | "logFormat">,
  output: typeof process.stdout | typeof process.stderr,
): Promise<Logger> {
  const terminal = output.isTTY === true;
  if (logStyle(logFormat, terminal) === "json") return pino({ level }, pino.destination(output.fd));
  const { build } = await import("pino-pretty");
  const stream = build({
    // A process that ends loses no line.
    sync: true,
    destination: output.fd,
    colorize: terminal && !process.env.NO_COLOR,
    ignore: "pid,hostname",
    translateTime: "SYS:HH:MM:ss",
    singleLine: true,
  });
  return pino({ level }, stream);
}
