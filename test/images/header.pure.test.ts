import { expect, test } from "vitest";
import { RerankError } from "../../src/errors.js";
import { readHeader } from "../../src/images/header.js";
import { Chance } from "../fuzz/random.js";
import { plainPng } from "./fixtures.js";

const bytes = (...parts: (string | readonly number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part))));

const jpeg = bytes(
  [0xff, 0xd8],
  // EXIF, in which a thumbnail has a frame header of its own, then a filled marker and a Huffman table.
  [0xff, 0xe1, 0, 13, 0xff, 0xc0, 0, 17, 8, 0, 1, 0, 1, 3, 0],
  [0xff, 0xff, 0xff, 0xc4, 0, 3, 0],
  [0xff, 0xc2, 0, 17, 8, 0x12, 0x34, 0x56, 0x78, 3],
);
const webp = (kind: string, ...payload: number[]) => bytes("RIFF", [0, 0, 0, 0], "WEBP", kind, [0, 0, 0, 0], payload);

const headers: readonly [string, Buffer, object][] = [
  ["JPEG", jpeg, { width: 0x5678, height: 0x1234 }],
  ["PNG", plainPng({ width: 300, height: 2 }, [1, 2, 3]), { width: 300, height: 2 }],
  ["GIF", bytes("GIF89a", [0x34, 0x12, 2, 0]), { width: 0x1234, height: 2 }],
  ["WebP", webp("VP8 ", 0, 0, 0, 0x9d, 1, 0x2a, 0x34, 0x52, 2, 0x40), { width: 0x1234, height: 2 }],
  ["WebP", webp("VP8L", 0x2f, 0xff, 0x40, 0, 0), { width: 256, height: 2 }],
  ["WebP", webp("VP8X", 0, 0, 0, 0, 0xff, 0xff, 0, 1, 0, 1), { width: 65536, height: 65538 }],
];

test.each(headers)("%s: format and size are read", (format, file, size) => {
  expect(readHeader(file)).toEqual({ format, ...size });
});

test.each(headers)("%s: a header that is cut anywhere, or has changed bytes, is read or refused", (_format, file) => {
  const chance = new Chance(1);
  const read = (some: Buffer) => {
    try {
      return readHeader(some).width > 0;
    } catch (error) {
      return error instanceof RerankError && error.code === "image_invalid";
    }
  };
  for (let length = 0; length < file.length; length++) expect(read(file.subarray(0, length)), `${length} bytes`).toBe(true);
  for (let count = 0; count < 2000; count++) {
    const changed = Buffer.from(file);
    changed[chance.below(changed.length)] = chance.below(256);
    expect(read(changed), changed.toString("hex")).toBe(true);
  }
});

test.each([
  ["nothing", ""],
  ["SVG", '<svg xmlns="http://www.w3.org/2000/svg"/>'],
  ["TIFF", "II*\0\b\0\0\0"],
  ["PDF", "%PDF-1.7\n"],
  ["a WAV", "RIFF\0\0\0\0WAVEfmt "],
])("%s is refused", (_what, text) => {
  expect(() => readHeader(bytes(text))).toThrow("expected a JPEG, PNG, WebP or GIF, got something else");
});

test("a side of 0 is refused", () => {
  expect(() => readHeader(bytes("GIF89a", [0, 0, 2, 0]))).toThrow("got a GIF with a damaged header");
});
