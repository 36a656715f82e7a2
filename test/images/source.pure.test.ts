import { expect, test } from "vitest";
import { parseSource } from "../../src/images/source.js";

const bytes = Buffer.from(Array.from({ length: 100 }, (_, index) => (index * 83) & 255));
const text = bytes.toString("base64");
const limit = 2 ** 10;

test.each([
  ["base64", text],
  ["base64 of the URL-safe alphabet", text.replaceAll("+", "-").replaceAll("/", "_")],
  ["a data: URI", `data:image/png;base64,${text}`],
  ["a data: URI of another type, which does not count", `DATA:text/html;charset=utf-8;BASE64,${text}`],
  ["a data: URI without type", `data:;base64,${text}`],
])("%s becomes its bytes", (_what, source) => {
  expect(parseSource(source, limit)).toEqual({ bytes });
});

test.each([
  ["nothing", ""],
  ["a data: URI of nothing", "data:image/png;base64,"],
  ["a line break", `${text.slice(0, 40)}\n${text.slice(40)}`],
  ["four line breaks", `${text.slice(0, 40)}\n\n\n\n${text.slice(40)}`],
  ["another character", text.replace(/.{5}/, "abcd!")],
  ["four other characters", `!!!!${text}`],
  ["padding in the middle", `${text.slice(0, 38)}==${text.slice(40)}`],
  ["padding only", "===="],
  ["no padding", text.replace(/=+$/, "")],
  ["one character too many", `A${text}`],
  ["a character that is no ASCII", `ä${text.slice(1)}`],
  ["a path", "/etc/passwd"],
])("%s in base64 is refused", (_what, source) => {
  expect(() => parseSource(source, limit)).toThrow("expected an image as a data: URI or in base64, got neither");
});

test.each(["data:image/png,abcd", "data:image/svg+xml;utf8,<svg/>", "data:image/png;base64"])("%s is refused", (source) => {
  expect(() => parseSource(source, limit)).toThrow("expected a data: URI in base64, got one that is not");
});

test("what decodes to the limit passes, and one byte more is refused before it is decoded", () => {
  expect(parseSource(Buffer.alloc(limit).toString("base64"), limit)).toEqual({ bytes: Buffer.alloc(limit) });
  // Not base64 at all, so a decoder would say something else.
  expect(() => parseSource("!".repeat(2 ** 21), 2 ** 20)).toThrow("expected at most 1 MB, got 1.5 MB");
  expect(() => parseSource(Buffer.alloc(limit + 1).toString("base64"), limit)).toThrow(/at most/);
});

test.each(["http://host/a.png", "HTTPS://host", "ftp://host/a", "file:///etc/passwd"])("%s is a URL", (url) => {
  expect(parseSource(url, limit)).toEqual({ url });
});
