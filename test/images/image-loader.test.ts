/** test/reference/image-goldens.py made files and hashes with Pillow 11.3.0. */

import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type ImageLimits, ImageLoader } from "../../src/images/image-loader.js";
import type { ImageSource } from "../../src/images/source.js";
import { decoder } from "./decoder.js";
import { plainPng, png } from "./fixtures.js";
import goldens from "./goldens.json" with { type: "json" };

let loader: ImageLoader;
beforeAll(() => {
  loader = new ImageLoader({}, decoder);
});
afterAll(() => loader[Symbol.dispose]());

const load = (source: ImageSource, its = loader) => its.load({ field: "documents[3]", source });

/** The one colour of an image. */
async function colour(source: ImageSource): Promise<number[]> {
  const { rgb } = await load(source);
  const pixels = new Set(Array.from({ length: rgb.length / 3 }, (_, index) => rgb.subarray(index * 3, index * 3 + 3).join()));
  expect([...pixels]).toHaveLength(1);
  return [...rgb.subarray(0, 3)];
}

test.each(Object.entries(goldens.files))(
  "%s: the model sees the pixels that it sees with Pillow",
  async (_name, { base64, sha256 }) => {
    const { width, height, rgb, tokens } = await load(base64);
    expect([width, height, tokens, rgb.length]).toEqual([56, 56, 4, 56 * 56 * 3]);
    expect(createHash("sha256").update(rgb).digest("hex")).toBe(sha256);
  },
);

test("an image is the same as bytes, base64, data: URI and file, and its hash is that of its size and pixels", async () => {
  const file = plainPng({ width: 56, height: 84 }, [1, 2, 3]);
  const folder = await mkdtemp(join(tmpdir(), "jina-reranker-images-"));
  try {
    const path = join(folder, "image.txt");
    await writeFile(path, file);
    const base64 = file.toString("base64");
    const loaded = await Promise.all([file, base64, `data:image/png;base64,${base64}`, { path }].map((source) => load(source)));
    const [first, ...others] = loaded;
    expect(first).toMatchObject({ width: 56, height: 84, tokens: 6 });
    for (const other of others) expect(other).toEqual(first);
    const hash = createHash("sha256")
      .update("56x84\n")
      .update(Buffer.alloc(56 * 84 * 3, Buffer.from([1, 2, 3])));
    expect(first?.hash).toBe(hash.digest("hex"));
    // The same pixels in another shape are another image.
    expect((await load(plainPng({ width: 84, height: 56 }, [1, 2, 3]))).hash).not.toBe(first?.hash);
  } finally {
    await rm(folder, { recursive: true });
  }
});

describe("colours", () => {
  const size = { width: 56, height: 56 };
  const palette = Buffer.from([9, 9, 9, 50, 60, 70]);

  test.each([
    ["RGB", plainPng(size, [50, 60, 70]), [50, 60, 70]],
    ["16 bits: the upper ones", plainPng({ ...size, depth: 16 }, [0x12, 0xff, 0xab, 0, 0xff, 0xff]), [0x12, 0xab, 0xff]],
    ["grey", plainPng({ ...size, colour: 0 }, [77]), [77, 77, 77]],
    ["16 bits of grey", plainPng({ ...size, depth: 16, colour: 0 }, [0x12, 0x34]), [0x12, 0x12, 0x12]],
    ["a palette", plainPng({ ...size, colour: 3 }, [1], [["PLTE", palette]]), [50, 60, 70]],
    ["nothing but what is transparent", plainPng({ ...size, colour: 6 }, [50, 60, 70, 0]), [255, 255, 255]],
    ["opaque with alpha", plainPng({ ...size, colour: 6 }, [50, 60, 70, 255]), [50, 60, 70]],
    ["a fifth of black", plainPng({ ...size, colour: 6 }, [0, 0, 0, 51]), [204, 204, 204]],
    ["a fifth of black in grey with alpha", plainPng({ ...size, colour: 4 }, [0, 51]), [204, 204, 204]],
    ["a fifth of black in 16 bits", plainPng({ ...size, depth: 16, colour: 6 }, [0, 0, 0, 0, 0, 0, 51, 51]), [204, 204, 204]],
    [
      "a transparent colour of a palette",
      plainPng(
        { ...size, colour: 3 },
        [1],
        [
          ["PLTE", palette],
          ["tRNS", Buffer.from([255, 0])],
        ],
      ),
      [255, 255, 255],
    ],
  ])("%s", async (_what, file, expected) => {
    expect(await colour(file)).toEqual(expected);
  });

  test("a profile changes nothing", async () => {
    const plain = { create: { ...size, channels: 3, background: "#ff0000" } } as const;
    const wide = await sharp(plain).withIccProfile("p3").png().toBuffer();
    const managed = await sharp(wide).raw().toBuffer();
    const unmanaged = await sharp(wide, { ignoreIcc: true }).raw().toBuffer();
    expect(managed.subarray(0, 3)).not.toEqual(unmanaged.subarray(0, 3));
    expect(await colour(wide)).toEqual([...unmanaged.subarray(0, 3)]);
  });

  test("of an animation the first frame", async () => {
    const frames = Buffer.concat([Buffer.alloc(56 * 56 * 3, 255), Buffer.alloc(56 * 56 * 3, 0)]);
    const raw = { raw: { width: 56, height: 112, channels: 3, pageHeight: 56 } } as const;
    expect(await colour(await sharp(frames, raw).gif().toBuffer())).toEqual([255, 255, 255]);
    expect(await colour(await sharp(frames, raw).webp({ lossless: true }).toBuffer())).toEqual([255, 255, 255]);
  });
});

test.each([
  [1, [0, 1, 2, 3]],
  [2, [1, 0, 3, 2]],
  [3, [3, 2, 1, 0]],
  [4, [2, 3, 0, 1]],
  [5, [0, 2, 1, 3]],
  [6, [2, 0, 3, 1]],
  [7, [3, 1, 2, 0]],
  [8, [1, 3, 0, 2]],
])("EXIF's orientation %i is applied", async (orientation, expected) => {
  const [width, height] = [56, 84];
  const quarter = (x: number, y: number) => (x < width / 2 ? 0 : 1) + (y < height / 2 ? 0 : 2);
  const grey = Buffer.from(Array.from({ length: width * height }, (_, at) => 80 * quarter(at % width, Math.floor(at / width))));
  const stored = sharp(grey, { raw: { width, height, channels: 1 } }).withMetadata({ orientation });
  for (const file of [await stored.jpeg({ quality: 100 }).toBuffer(), await stored.webp({ lossless: true }).toBuffer()]) {
    const image = await load(file);
    expect([image.width, image.height]).toEqual(orientation < 5 ? [width, height] : [height, width]);
    const corner = (x: number, y: number) => Math.round((image.rgb[(y * image.width + x) * 3] ?? 0) / 80);
    const [right, bottom] = [image.width - 1, image.height - 1];
    expect([corner(0, 0), corner(right, 0), corner(0, bottom), corner(right, bottom)]).toEqual(expected);
  }
});

describe("limits", () => {
  const limited = async (limits: Partial<ImageLimits>, source: ImageSource) => {
    using its = new ImageLoader(limits, decoder);
    return await load(source, its);
  };
  const file = plainPng({ width: 100, height: 60 }, [1, 2, 3]);

  test("bytes, of every kind of source", async () => {
    const maxBytes = file.length;
    for (const source of [file, file.toString("base64")]) {
      expect(await limited({ maxBytes }, source)).toMatchObject({ width: 112, height: 56 });
      await expect(limited({ maxBytes: maxBytes - 1 }, source)).rejects.toMatchObject({ code: "image_too_large" });
    }
    await expect(limited({ maxBytes }, { path: import.meta.filename })).rejects.toMatchObject({ code: "image_too_large" });
  });

  test("pixels", async () => {
    expect(await limited({ maxPixels: 6000 }, file)).toMatchObject({ width: 112, height: 56 });
    await expect(limited({ maxPixels: 5999 }, file)).rejects.toMatchObject({
      code: "image_too_large",
      message: "documents[3]: expected at most 5999 pixels, got a PNG of 100×60",
    });
  });

  test("tokens: an image is made smaller", async () => {
    expect(await limited({ maxTokens: 4 }, plainPng({ width: 500, height: 500 }, [1, 2, 3]))).toMatchObject({ tokens: 4 });
  });
});

test("of many images all are loaded in their order, and an error names its own", async () => {
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on("warning", note);
  const shades = Array.from({ length: 12 }, (_, index) => index * 20);
  const named = shades.map((shade, index) => ({
    field: `documents[${index}]`,
    source: plainPng({ width: 56, height: 56, colour: 0 }, [shade]),
  }));
  expect((await loader.loadAll(named)).map(({ rgb }) => rgb[0])).toEqual(shades);
  const [field, broken] = ["documents[12]", png({ width: 56, height: 56 }, Buffer.alloc(9))];
  await expect(loader.loadAll([...named, { field, source: broken }])).rejects.toMatchObject({
    code: "image_invalid",
    message: expect.stringMatching(/^documents\[12\]: expected an image that can be decoded, got one that cannot: /),
  });
  process.off("warning", note);
  expect(warnings).toEqual([]);
});

test("an image is read before most of a large request that came first", async () => {
  const image = (index: number) => plainPng({ width: 56, height: 56, colour: 0 }, [index]);
  const original = loader.load.bind(loader);
  let read = 0;
  const counting = vi.spyOn(loader, "load").mockImplementation(async (...given) => {
    const loaded = await original(...given);
    read += 1;
    return loaded;
  });
  const large = loader.loadAll(
    Array.from({ length: 20 }, (_, index) => ({ field: `documents[${index}]`, source: image(index) })),
  );
  await loader.loadAll([{ field: "documents[0]", source: image(99) }]);
  expect(read).toBeLessThan(10);
  expect((await large).map(({ rgb }) => rgb[0])).toEqual(Array.from({ length: 20 }, (_, index) => index));
  counting.mockRestore();
});

test.each([
  ["base64", "no image", "image_invalid"],
  ["a URL", "http://pictures.example/a.png", "image_url_not_allowed"],
  ["a path that is none", { path: "/nowhere/a.png" }, "image_unreachable"],
  ["a folder", { path: tmpdir() }, "image_unreachable"],
  ["a strip", png({ width: 201, height: 1 }, deflateSync(Buffer.alloc(1))), "image_invalid"],
])("the error of %s names the document", async (_what, source, code) => {
  await expect(load(source)).rejects.toMatchObject({ code, message: expect.stringMatching(/^documents\[3\]: expected /) });
});
