/** Names become paths inside a folder or are refused. */

import { join, posix, win32 } from "node:path";
import { expect, test } from "vitest";
import { pathInside, pathInsideOn } from "../../src/files/path-inside.js";

test.each([
  [["a"], "/cache/a"],
  [["a", "b/c"], "/cache/a/b/c"],
  [["a/../b"], "/cache/b"],
  [["..a"], "/cache/..a"],
  [["ü 雪"], "/cache/ü 雪"],
  [["a\\..\\..\\b"], "/cache/a\\..\\..\\b"],
  [["/cache/a"], "/cache/a"],
  [["//cache//a"], "/cache/a"],
])("%j lies in the folder", (parts, path) => {
  expect(pathInsideOn(posix, "/cache", parts)).toBe(path);
  expect(pathInsideOn(posix, "/cache/", parts)).toBe(path);
});

test.each([
  [[]],
  [[""]],
  [["."]],
  [["a/.."]],
  [[".."]],
  [["../cache-of-another/a"]],
  [["a", "../../b"]],
  [["a", "..", "..", "b"]],
  [["/etc/passwd"]],
  [["a", "/etc/passwd"]],
  [["/cachee/a"]],
  [["a\0b"]],
])("%j is refused", (parts) => {
  expect(pathInsideOn(posix, "/cache", parts)).toBeUndefined();
});

test("the root may be the folder, and a relative folder starts at the working directory", () => {
  expect(pathInsideOn(posix, "/", ["etc"])).toBe("/etc");
  expect(pathInside("cache", "a")).toBe(join(process.cwd(), "cache", "a"));
  expect(pathInside("cache", "..")).toBeUndefined();
});

test.each([
  [["a/b"], "C:\\cache\\a\\b"],
  [["C:\\cache\\a"], "C:\\cache\\a"],
  [["c:\\CACHE\\a"], "c:\\CACHE\\a"],
])("on Windows %j lies in the folder", (parts, path) => {
  expect(pathInsideOn(win32, "C:\\cache", parts)).toBe(path);
});

test.each([[["a\\..\\..\\b"]], [["D:\\a"]], [["C:a"]], [["\\\\server\\share\\a"]], [["\\a"]], [["a:stream"]], [["..\\cache2"]]])(
  "on Windows %j is refused",
  (parts) => {
    expect(pathInsideOn(win32, "C:\\cache", parts)).toBeUndefined();
  },
);
