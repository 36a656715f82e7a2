/** Makes the service's log: lines of JSON, or lines for people. */

import { type Logger, pino } from "pino";
import type { Settings } from "../settings/table.js";
import { prettyLine } from "./pretty-lines.js";

export function logStyle(format: Settings["logFormat"], terminal: boolean): "json" | "pretty" {
  if (format !== "auto") return format;
  return terminal ? "pretty" : "json";
}

export function createLogger(
  { logLevel: level, logFormat }: Pick<Settings, "logLevel" | "logFormat">,
  output: typeof process.stdout | typeof process.stderr,
): Logger {
  const terminal = output.isTTY === true;
  if (logStyle(logFormat, terminal) === "json") return pino({ level }, pino.destination(output.fd));
  // A process that ends loses no line.
  const destination = pino.destination({ fd: output.fd, sync: true });
  const colors = terminal && !process.env.NO_COLOR;
  return pino({ level }, { write: (line) => destination.write(prettyLine(line, { colors })) });
}
