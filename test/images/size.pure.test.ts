/** test/reference/image-goldens.py made the hash of 10,000 sizes with Python's own round and sqrt. */

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { RerankError } from "../../src/errors.js";
import { targetSize, tokensOf } from "../../src/images/size.js";
import goldens from "./goldens.json" with { type: "json" };
import { Draws } from "./structured-image.js";

const text = (width: number, height: number, maxTokens?: number) => {
  const size = targetSize({ width, height }, maxTokens);
  return `${size.width}x${size.height}`;
};

test.each([
  [1240, 1654, "644x896", 736],
  [1654, 2339, "644x896", 736],
  [1920, 1080, "1008x560", 720],
  [3840, 2160, "1008x560", 720],
  [850, 1100, "672x868", 744],
  [640, 480, "644x476", 391],
  [512, 512, "504x504", 324],
  [224, 224, "224x224", 64],
  [1500, 300, "1512x308", 594],
  [4032, 3024, "896x672", 768],
  [20, 20, "56x56", 4],
  [1, 1, "56x56", 4],
  [182, 1160, "168x1148", 246],
  [1500, 10, "700x28", 25],
])("%i×%i becomes %s, %i tokens", (width, height, size, tokens) => {
  expect(text(width, height)).toBe(size);
  expect(tokensOf(targetSize({ width, height }))).toBe(tokens);
});

test("10,000 sizes become what Python computes", () => {
  const draws = new Draws(1);
  const hash = createHash("sha256");
  for (let count = 0; count < 10_000; count++) {
    const limit = [40, 300, 3000, 20_000][draws.below(4)] ?? 0;
    const [width, height] = [1 + draws.below(limit), 1 + draws.below(limit)];
    const maxTokens = [768, 768, 256, 4][draws.below(4)];
    const refused = Math.max(width, height) > 200 * Math.min(width, height);
    hash.update(refused ? "refused\n" : `${text(width, height, maxTokens)}\n`);
  }
  expect(hash.digest("hex")).toBe(goldens.sizes);
});

test("sides may differ 200 times, and not more", () => {
  expect(text(200, 1)).toBe("812x28");
  expect(() => text(201, 1)).toThrow(RerankError);
  expect(() => text(1, 5000)).toThrow("expected sides that differ at most 200 times, got 1×5000");
});
