/** The log: lines for people on a terminal, JSON elsewhere, unless LOG_FORMAT says otherwise. */

import { expect, test } from "vitest";
import { logStyle } from "../../src/cli/logger.js";
import { startCommand } from "../support/command.js";

test.each([
  ["auto", true, "pretty"],
  ["auto", false, "json"],
  ["json", true, "json"],
  ["pretty", false, "pretty"],
] as const)("LOG_FORMAT=%s, terminal: %s: %s", (format, terminal, style) => {
  expect(logStyle(format, terminal)).toBe(style);
});

const demo = ["serve", "--demo", "--host", "127.0.0.1", "--port", "0"];

test("pretty lines have time, level and message, and numbers behind them", async () => {
  const server = startCommand([...demo, "--log-format", "pretty"]);
  const line = await server.line((text) => text.includes("ready"));
  expect(line).toMatch(/^\[\d\d:\d\d:\d\d\] INFO: ready \{.*"port":\d+.*\}$/);
  server.child.kill("SIGTERM");
  const { code, stdout } = await server.ended;
  expect(code).toBe(0);
  expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/^\[.*\] INFO: stopped$/);
});

test("elsewhere than on a terminal every line is JSON", async () => {
  const server = startCommand(demo);
  await server.line((text) => text.includes('"msg":"ready"'));
  server.child.kill("SIGTERM");
  const { code, stdout } = await server.ended;
  expect(code).toBe(0);
  for (const line of stdout.trimEnd().split("\n")) expect(JSON.parse(line)).toHaveProperty("msg");
});
