/** Puts the pixels of images into a request, for the engine. */

import type { Image } from "../../binding.js";
import type { ImageLoader } from "../images/image-loader.js";
import type { ImageSource } from "../images/source.js";
import type { Content, ImageInput } from "../types.js";
import type { Contents, FieldImage } from "./check.js";

export interface LoadedRequest {
  readonly query: string | Image;
  readonly documents: readonly (string | Image)[];
  /** Milliseconds that it took. */
  readonly imageMs: number;
}

/** undefined = the request has images. */
export function textsOf({ query, documents }: Contents): LoadedRequest | undefined {
  const isText = (content: Content): content is string => typeof content === "string";
  return isText(query) && documents.every(isText) ? { query, documents, imageMs: 0 } : undefined;
}

/** Loads each image once, however often it occurs. Throws what the loader throws; `images` are all of the request. */
export async function withPixels(
  { query, documents }: Contents,
  images: readonly FieldImage[],
  loader: Pick<ImageLoader, "loadAll">,
  signal: AbortSignal | undefined,
): Promise<LoadedRequest> {
  const begun = performance.now();
  const sourceOf = sources();
  const fields = new Map<ImageSource, string>();
  for (const image of images) {
    const source = sourceOf(image);
    if (!fields.has(source)) fields.set(source, image.field);
  }
  const loaded = await loader.loadAll(
    [...fields].map(([source, field]) => ({ field, source })),
    signal,
  );
  const pixels = new Map([...fields.keys()].map((source, index) => [source, loaded[index]]));
  const loadedOf = (content: Content): string | Image => {
    if (typeof content === "string") return content;
    const image = pixels.get(sourceOf(content));
    if (!image) throw new Error("an image of the request was not loaded");
    return image;
  };
  return { query: loadedOf(query), documents: documents.map(loadedOf), imageMs: performance.now() - begun };
}

/** Gives an image's source: the same one for the same array of bytes, the same path and the same text. */
function sources(): (image: ImageInput) => ImageSource {
  const paths = new Map<string, ImageSource>();
  return ({ image }) => {
    if (image instanceof Uint8Array) return image;
    if (typeof image !== "string") return image.data;
    const source = paths.get(image) ?? { path: image };
    paths.set(image, source);
    return source;
  };
}
