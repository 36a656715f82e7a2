/** How pixels get into a request. */

import { expect, test } from "vitest";
import type { LoadedImage } from "../../src/images/decoder-protocol.js";
import type { NamedImage } from "../../src/images/image-loader.js";
import { imagesOf } from "../../src/requests/check.js";
import { textsOf, withPixels } from "../../src/requests/pixels.js";
import type { Content } from "../../src/types.js";

/** Loads nothing: an image's hash says from what it would be. */
class NotingLoader {
  readonly asked: NamedImage[] = [];

  async loadAll(images: readonly NamedImage[]): Promise<LoadedImage[]> {
    this.asked.push(...images);
    return images.map(({ field }) => ({ width: 56, height: 56, rgb: new Uint8Array(56 * 56 * 3), tokens: 4, hash: field }));
  }
}

async function loaded(query: Content, documents: readonly Content[]) {
  const loader = new NotingLoader();
  const request = await withPixels({ query, documents }, imagesOf({ query, documents }), loader, undefined);
  const told = [request.query, ...request.documents].map((content) => (typeof content === "string" ? content : content.hash));
  return { told, asked: loader.asked, imageMs: request.imageMs };
}

test("texts stay, and an image is loaded from bytes, the path of a file, or what clients send", async () => {
  const bytes = new Uint8Array([1]);
  const { told, asked, imageMs } = await loaded("q", [{ image: bytes }, "text", { image: "a.png" }, { image: { data: "AA==" } }]);
  expect(told).toEqual(["q", "documents[0]", "text", "documents[2]", "documents[3]"]);
  expect(asked).toEqual([
    { field: "documents[0]", source: bytes },
    { field: "documents[2]", source: { path: "a.png" } },
    { field: "documents[3]", source: "AA==" },
  ]);
  expect(imageMs).toBeGreaterThanOrEqual(0);
});

test("an image that occurs again is loaded once; a path and data of the same text are two", async () => {
  const image = new Uint8Array([1]);
  const twice = [{ image }, { image: { data: "x" } }, { image: "x" }, { image }, { image: { data: "x" } }, { image: "x" }];
  const { told, asked } = await loaded({ image }, twice);
  expect(told).toEqual(["query", "query", "documents[1]", "documents[2]", "query", "documents[1]", "documents[2]"]);
  expect(asked).toHaveLength(3);
});

test("a request of texts alone needs no loading", () => {
  expect(textsOf({ query: "q", documents: ["a"] })).toEqual({ query: "q", documents: ["a"], imageMs: 0 });
  expect(textsOf({ query: "q", documents: ["a", { image: "x" }] })).toBeUndefined();
  expect(textsOf({ query: { image: "x" }, documents: ["a"] })).toBeUndefined();
});
