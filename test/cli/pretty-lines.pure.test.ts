/** The log for people. */

import { expect, test } from "vitest";
import { prettyLine } from "../../src/cli/pretty-lines.js";

const time = new Date(2026, 0, 2, 3, 4, 5).getTime();
const plain = (entry: object) => prettyLine(`${JSON.stringify(entry)}\n`, { colors: false });

test.each([
  [{ level: 30, time, pid: 1, hostname: "h", msg: "listening" }, "[03:04:05] INFO: listening\n"],
  [
    { level: 50, time, msg: "failed", err: { message: "no\nfile" } },
    '[03:04:05] ERROR: failed {"err":{"message":"no\\nfile"}}\n',
  ],
  [{ level: 35, time, msg: "between" }, "[03:04:05] 35: between\n"],
  [{ level: 40, time, reqId: "a" }, '[03:04:05] WARN:  {"reqId":"a"}\n'],
])("%o", (entry, line) => {
  expect(plain(entry)).toBe(line);
});

test("what is not an entry stays as it is", () => {
  for (const line of ["words\n", "7\n", "{\n"]) expect(prettyLine(line, { colors: false })).toBe(line);
});

test("colours are only in what is asked for with colours", () => {
  const entry = JSON.stringify({ level: 30, time, msg: "x", n: 1 });
  expect(prettyLine(entry, { colors: true })).toContain("\u001b[");
  expect(prettyLine(entry, { colors: false })).not.toContain("\u001b[");
});
