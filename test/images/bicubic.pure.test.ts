/**
 * test/reference/image-goldens.py made the hashes with Pillow 11.3.0, and 9.4.0 computes the same. 12.3.0 differs in five of
 * them, which are over 100 times as high as wide.
 */

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { resize } from "../../src/images/bicubic.js";
import goldens from "./goldens.json" with { type: "json" };
import { Draws, structuredImage } from "./structured-image.js";

test("200 pictures are resized as by Pillow, byte for byte", () => {
  const draws = new Draws(2);
  const side = () => 1 + draws.below([2, 12, 90, 400][draws.below(4)] ?? 0);
  const hashes: Record<string, string> = {};
  while (Object.keys(hashes).length < 200) {
    const [width, height, toWidth, toHeight] = [side(), side(), side(), side()];
    const resized = resize(structuredImage(draws, width, height), { width: toWidth, height: toHeight });
    const hash = createHash("sha256").update(resized.rgb).digest("hex");
    hashes[`${width}x${height} to ${toWidth}x${toHeight}`] = hash.slice(0, 16);
  }
  expect(hashes).toEqual(goldens.resizes);
});

test("a picture that has the size already keeps its bytes", () => {
  const image = structuredImage(new Draws(3), 28, 56);
  expect(resize(image, { width: 28, height: 56 }).rgb).toEqual(image.rgb);
});
