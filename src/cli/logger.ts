/** The service's log: JSON for machines, lines for people on a terminal. */

import { type Logger, pino } from "pino";
import type { Settings } from "../settings/table.js";

export function logStyle(format: Settings["logFormat"], terminal: boolean): "json" | "pretty" {
  if (format !== "auto") return format;
  return terminal ? "pretty" : "json";
}

/** pino-pretty is loaded only where it is wanted. */
export async function createLogger(
  { logLevel: level, logFormat }: Pick<Settings, "logLevel" | "logFormat">,
  output: typeof process.stdout | typeof process.stderr,
): Promise<Logger> {
  const terminal = output.isTTY === true;
  if (logStyle(logFormat, terminal) === "json") return pino({ level }, pino.destination(output.fd));
  const { build } = await import("pino-pretty");
  const stream = build({
    // Written at once: a process that ends loses nothing.
    sync: true,
    destination: output.fd,
    colorize: terminal && !process.env.NO_COLOR,
    ignore: "pid,hostname",
    translateTime: "SYS:HH:MM:ss",
    singleLine: true,
  });
  return pino({ level }, stream);
}
