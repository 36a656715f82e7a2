/**
 * Images that were made to do harm: bombs, cut and damaged files, other types, and what is merely unusual. Each is a picture or
 * one clear error, the decoder lives on, and memory stays bounded, here and in the decoders.
 */

import { readdir, readFile } from "node:fs/promises";
import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RerankError } from "../../src/errors.js";
import { ImageLoader } from "../../src/images/image-loader.js";
import { Chance } from "../fuzz/random.js";
import { until } from "../support/until.js";
import { decoder } from "./decoder.js";
import { plainPng, png, pngOf } from "./fixtures.js";

let loader: ImageLoader;
beforeAll(() => {
  loader = new ImageLoader({}, decoder);
});
afterAll(() => loader[Symbol.dispose]());

const load = (source: Uint8Array) => loader.load({ field: "documents[0]", source });

/** "56×56" of a picture, or the code of the error. */
async function outcomeOf(source: Uint8Array): Promise<string> {
  try {
    const { width, height, rgb, tokens } = await load(source);
    expect([rgb.length, tokens]).toEqual([width * height * 3, (width * height) / 784]);
    return `${width}×${height}`;
  } catch (error) {
    if (!(error instanceof RerankError)) throw error;
    expect(error.message).toMatch(/^documents\[0\]: expected [\x20-\x7e×]+$/);
    return error.code;
  }
}

const latin1 = (text: string) => Buffer.from(text, "latin1");

/** Zeros under a filter byte of each row, as a stream that inflates to all of them. */
function zeros(width: number, height: number, samples: number): Buffer {
  return deflateSync(Buffer.alloc((width * samples + 1) * height), { level: 9 });
}

/** A frame header and no more. */
function jpegClaiming(width: number, height: number): Buffer {
  const frame = Buffer.from("ffd8ffc0000b0800000000010111000000", "hex");
  frame.writeUInt16BE(height, 7);
  frame.writeUInt16BE(width, 9);
  return frame;
}

function webpClaiming(width: number, height: number): Buffer {
  const file = Buffer.concat([latin1("RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0"), Buffer.alloc(10)]);
  file.writeUIntLE(width - 1, 24, 3);
  file.writeUIntLE(height - 1, 27, 3);
  return file;
}

function gifClaiming(width: number, height: number, rest = Buffer.alloc(0)): Buffer {
  const screen = Buffer.alloc(7);
  screen.writeUInt16LE(width, 0);
  screen.writeUInt16LE(height, 2);
  return Buffer.concat([latin1("GIF89a"), screen, rest]);
}

/** A GIF of 1 × 1 whose only frame claims another size. */
function gifFrame(width: number, height: number): Buffer {
  const frame = Buffer.from("2c00000000000000008000000000ffffff02024c01003b", "hex");
  frame.writeUInt16LE(width, 5);
  frame.writeUInt16LE(height, 7);
  return gifClaiming(1, 1, frame);
}

const size = { width: 64, height: 64 };
const refusedAsLarge = "image_too_large";
const refused = "image_invalid";

test.each([
  ["PNG", pngOf({ width: 60_000, height: 60_000 }, zeros(1, 1, 3))],
  ["PNG of 2^31 - 1 each", pngOf({ width: 0x7fffffff, height: 0x7fffffff }, zeros(1, 1, 3))],
  ["PNG of 2^32 - 1 each", pngOf({ width: 0xffffffff, height: 0xffffffff }, zeros(1, 1, 3))],
  ["JPEG", jpegClaiming(60_000, 60_000)],
  ["WebP", webpClaiming(60_000, 60_000)],
  ["WebP of 2^24 each", webpClaiming(2 ** 24, 2 ** 24)],
  ["GIF", gifClaiming(60_000, 60_000)],
  ["PNG of one pixel too many", pngOf({ width: 7072, height: 7072 }, zeros(1, 1, 3))],
])("a %s that claims 60,000 × 60,000 or the like is refused by its header", async (_what, file) => {
  expect(await outcomeOf(file)).toBe(refusedAsLarge);
});

test.each([
  ["a frame that is larger than its GIF", gifFrame(60_000, 60_000), [refused, refusedAsLarge, "56×56"]],
  [
    "64 kB that inflate to 64 MB in a small PNG",
    pngOf(size, deflateSync(Buffer.alloc(2 ** 26), { level: 9 })),
    ["56×56", refused],
  ],
  [
    "a text that inflates to 64 MB",
    plainPng(size, [1, 2, 3], [["zTXt", Buffer.concat([latin1("a\0\0"), deflateSync(Buffer.alloc(2 ** 26))])]]),
    ["56×56", refused],
  ],
  [
    "a profile that inflates to 64 MB",
    plainPng(size, [1, 2, 3], [["iCCP", Buffer.concat([latin1("a\0\0"), deflateSync(Buffer.alloc(2 ** 26))])]]),
    ["56×56", refused],
  ],
  [
    "a hundred thousand chunks",
    plainPng(
      size,
      [1, 2, 3],
      Array.from({ length: 100_000 }, () => ["tEXt", latin1("a\0b")] as const),
    ),
    ["56×56", refused],
  ],
  ["too few rows", png(size, Buffer.alloc(193)), [refused]],
  ["no rows", pngOf(size, Buffer.alloc(0)), [refused]],
  ["rows that are no stream", pngOf(size, Buffer.alloc(100, 1)), [refused]],
  ["a bit depth of 7", pngOf({ ...size, depth: 7 }, zeros(64, 64, 3)), [refused]],
  ["a colour type of 5", pngOf({ ...size, colour: 5 }, zeros(64, 64, 3)), [refused]],
  ["a palette image without a palette", plainPng({ ...size, colour: 3 }, [1]), [refused]],
  ["an index behind the palette", plainPng({ ...size, colour: 3 }, [200], [["PLTE", Buffer.alloc(3)]]), ["56×56", refused]],
  ["an unknown filter", png(size, Buffer.alloc(193 * 64, 9)), [refused]],
  ["a text behind its end", Buffer.concat([plainPng(size, [1, 2, 3]), Buffer.alloc(10_000, "<script>")]), ["56×56"]],
])("%s", async (_what, file, allowed) => {
  expect(allowed).toContain(await outcomeOf(file));
});

test.each([
  ["SVG", latin1('<svg xmlns="http://www.w3.org/2000/svg" width="60000" height="60000"><rect/></svg>')],
  ["SVG with an entity bomb", latin1('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><svg>&c;</svg>')],
  ["HTML", latin1("<!doctype html><img src=x onerror=alert(1)>")],
  ["PDF", latin1("%PDF-1.7\n1 0 obj <<>> endobj\n")],
  ["PostScript", latin1("%!PS-Adobe-3.0\n(/etc/passwd) (r) file")],
  ["ImageMagick's language", latin1("push graphic-context\nfill 'url(https://host/x)'\npop graphic-context")],
  ["TIFF", latin1("II*\0\b\0\0\0\0\0\0\0")],
  ["BMP", latin1("BM\x46\0\0\0\0\0\0\0\x36\0\0\0")],
  ["AVIF", latin1("\0\0\0\x20ftypavif\0\0\0\0avifmif1")],
  ["JPEG XL", Buffer.from("ff0aff", "hex")],
  ["JPEG 2000", latin1("\0\0\0\x0cjP  \r\n\x87\n")],
  ["ICO", Buffer.from("000001000100", "hex")],
  ["ZIP", latin1("PK\x03\x04")],
  ["libvips' own format", Buffer.from("b6a6f208", "hex")],
  ["PPM", latin1("P6\n1 1\n255\nabc")],
  ["Radiance", latin1("#?RADIANCE\n")],
  ["nothing", Buffer.alloc(0)],
  ["a zero", Buffer.alloc(1)],
  ["a megabyte of zeros", Buffer.alloc(2 ** 20)],
  ["a path", latin1("/etc/passwd")],
])("%s is refused", async (_what, file) => {
  expect(await outcomeOf(file)).toBe(refused);
});

/** Its beginning says that it is one of the four, and its rest is something else. */
test.each([
  ["a JPEG that is SVG", latin1("\xff\xd8\xff<svg/>")],
  ["a PNG that is SVG", latin1('\x89PNG\r\n\x1a\n<svg xmlns="http://www.w3.org/2000/svg"/>')],
  ["a WebP that is HTML", latin1("RIFF\0\0\0\0WEBP<html></html>")],
  ["a GIF that is JavaScript", latin1('GIF89a="a";alert(1)//')],
  ["a WebP of nothing", webpClaiming(64, 64)],
  ["a GIF of nothing", gifClaiming(64, 64)],
  ["a JPEG of nothing", jpegClaiming(64, 64)],
])("%s is refused", async (_what, file) => {
  expect([refused, refusedAsLarge]).toContain(await outcomeOf(file));
});

test.each([
  ["1 × 1", plainPng({ width: 1, height: 1 }, [1, 2, 3]), "56×56"],
  ["1 × 1 in 16 bits with alpha", plainPng({ width: 1, height: 1, depth: 16, colour: 6 }, [1, 2, 3, 4, 5, 6, 7, 8]), "56×56"],
  ["1 × 200", plainPng({ width: 1, height: 200 }, [1, 2, 3]), "28×812"],
  ["1 × 5,000", plainPng({ width: 1, height: 5000 }, [1, 2, 3]), refused],
  ["5,000 × 1", plainPng({ width: 5000, height: 1 }, [1, 2, 3]), refused],
  ["7,071 × 7,071, 150 MB of pixels", pngOf({ width: 7071, height: 7071 }, zeros(7071, 7071, 3)), "756×756"],
  [
    "5,000 × 10,000 with alpha in 16 bits, 400 MB",
    pngOf({ width: 5000, height: 10_000, depth: 16, colour: 6 }, zeros(5000, 10_000, 8)),
    "532×1092",
  ],
])("%s", async (_what, file, expected) => {
  expect(await outcomeOf(file)).toBe(expected);
});

describe("cut and flipped", () => {
  const noise = Buffer.from(Array.from({ length: 120 * 90 * 3 }, (_, index) => Math.imul(index, 2654435761) >>> 24));
  const picture = () => sharp(noise, { raw: { width: 120, height: 90, channels: 3 } });
  const frames = () => sharp(noise, { raw: { width: 120, height: 90, channels: 3, pageHeight: 30 } });
  const files: readonly [string, () => Promise<Buffer>][] = [
    ["JPEG", () => picture().jpeg().toBuffer()],
    ["progressive JPEG", () => picture().jpeg({ progressive: true }).toBuffer()],
    ["CMYK JPEG", () => picture().toColourspace("cmyk").jpeg().toBuffer()],
    ["PNG", () => picture().png().toBuffer()],
    ["interlaced PNG", () => picture().png({ progressive: true }).toBuffer()],
    ["16-bit PNG", () => picture().toColourspace("rgb16").png().toBuffer()],
    ["WebP", () => picture().webp().toBuffer()],
    ["lossless WebP", () => picture().webp({ lossless: true }).toBuffer()],
    ["animated WebP", () => frames().webp().toBuffer()],
    ["GIF", () => picture().gif().toBuffer()],
    ["animated GIF", () => frames().gif().toBuffer()],
  ];

  test.each(files)("%s: cut in half it is refused, or an animation whose first frame is whole", async (name, make) => {
    const file = await make();
    expect(await outcomeOf(file)).toMatch(/^\d+×\d+$/);
    const half = await outcomeOf(file.subarray(0, file.length / 2));
    if (name.startsWith("animated")) expect([refused, "112×28"]).toContain(half);
    else expect(half).toBe(refused);
  });

  test.each(files)("%s: wherever it is cut or flipped it is a picture or one clear error", async (_name, make) => {
    const file = await make();
    const chance = new Chance(7);
    for (let count = 0; count < 40; count++) {
      const damaged = Buffer.from(count % 2 === 0 ? file : file.subarray(0, chance.below(file.length)));
      for (let flips = chance.below(8); flips > 0 && damaged.length > 0; flips--) {
        damaged[chance.below(damaged.length)] = chance.below(256);
      }
      expect(await outcomeOf(damaged)).toMatch(/^(\d+×\d+|image_invalid|image_too_large)$/);
    }
  });
});

test.runIf(process.platform === "linux")("memory is bounded, here and in the decoders, and comes back", async () => {
  const bomb = pngOf({ width: 7071, height: 7071 }, zeros(7071, 7071, 3));
  const before = process.memoryUsage.rss();
  await Promise.all(Array.from({ length: 4 }, () => load(bomb)));
  const decoders = await children();
  expect(decoders.length).toBeGreaterThan(0);
  expect(decoders.length).toBeLessThanOrEqual(2);
  // Of all images above; the largest have 200 MB of pixels with alpha.
  for (const { peakMb } of decoders) expect(peakMb).toBeLessThan(700);
  await until(async () => (await children()).every(({ nowMb }) => nowMb < 200));
  expect((process.memoryUsage.rss() - before) / 2 ** 20).toBeLessThan(100);
  loader[Symbol.dispose]();
  await until(async () => (await children()).length === 0);
});

/** Processes that this one started and that still run. */
async function children(): Promise<{ readonly peakMb: number; readonly nowMb: number }[]> {
  const found = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const statuses = await Promise.all(found.map((pid) => readFile(`/proc/${pid}/status`, "utf8").catch(() => "")));
  return statuses
    .filter((status) => new RegExp(`^PPid:\\s+${process.pid}$`, "m").test(status) && !/^State:\s+Z/m.test(status))
    .map((status) => {
      const mb = (name: string) => Number(status.match(new RegExp(`^${name}:\\s+(\\d+)`, "m"))?.[1]) / 1024;
      return { peakMb: mb("VmHWM"), nowMb: mb("VmRSS") };
    });
}
