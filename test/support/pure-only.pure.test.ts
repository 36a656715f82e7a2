import { execFileSync, fork, spawn } from "node:child_process";
import { createServer } from "node:http";
import { expect, test } from "vitest";

test.each([
  ["start a process", () => spawn(process.execPath, ["--version"])],
  ["start a process", () => execFileSync(process.execPath, ["--version"])],
  ["start a process", () => fork("nothing.js")],
  ["listen on a port", () => createServer().listen(0)],
  ["load the addon", () => process.dlopen({ exports: {} }, "addon.node")],
])("a pure test may not %s", (what, attempt) => {
  expect(attempt).toThrow(`a test in a file named .pure.test.ts may not ${what}`);
});
