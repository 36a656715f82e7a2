/** The service's log for people: each of pino's lines of JSON as one line with time, level and message first. */

import { styleText } from "node:util";

const levels: Readonly<Record<number, { readonly name: string; readonly color: Parameters<typeof styleText>[0] }>> = {
  10: { name: "TRACE", color: "gray" },
  20: { name: "DEBUG", color: "blue" },
  30: { name: "INFO", color: "green" },
  40: { name: "WARN", color: "yellow" },
  50: { name: "ERROR", color: "red" },
  60: { name: "FATAL", color: "bgRed" },
};

/** Whether there are colours is the caller's decision; newer Nodes would look at standard output. */
const always = { validateStream: false };

/** A line that is not JSON is returned as it is. */
export function prettyLine(line: string, { colors }: { readonly colors: boolean }): string {
  const entry = parse(line);
  if (entry === undefined) return line;
  const { level, time, msg, pid: _pid, hostname: _hostname, ...rest } = entry;
  const { name, color } = levels[Number(level)] ?? { name: String(level), color: "reset" };
  const paint = (style: Parameters<typeof styleText>[0], text: string) => (colors ? styleText(style, text, always) : text);
  const more = Object.keys(rest).length > 0 ? ` ${paint("gray", JSON.stringify(rest))}` : "";
  return `[${clock(time)}] ${paint(color, name)}: ${paint("cyan", String(msg ?? ""))}${more}\n`;
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** The time of day here, of milliseconds since 1970. */
function clock(time: unknown): string {
  const date = new Date(Number(time));
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}
