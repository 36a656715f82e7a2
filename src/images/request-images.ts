/** Puts the pixels of images into a request, for the engine. */

import type { Image } from "../../binding.js";
import type { Contents, FieldImage } from "../request-check.js";
import type { Content, ImageInput } from "../types.js";
import type { ImageLoader } from "./image-loader.js";
import type { ImageSource } from "./source.js";

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
  const different = [...new Map(images.map((image) => [identity(image), image])).values()];
  const loaded = await loader.loadAll(
    different.map(({ field, image }) => ({ field, source: sourceOf(image) })),
    signal,
  );
  const pixels = new Map(different.map((image, index) => [identity(image), loaded[index]]));
  const loadedOf = (content: Content): string | Image => {
    if (typeof content === "string") return content;
    const image = pixels.get(identity(content));
    if (!image) throw new Error("an image of the request was not loaded");
    return image;
  };
  return { query: loadedOf(query), documents: documents.map(loadedOf), imageMs: performance.now() - begun };
}

/** Equal for images that are certainly the same: the same array of bytes, path or text. */
function identity({ image }: ImageInput): unknown {
  if (image instanceof Uint8Array) return image;
  return typeof image === "string" ? `path ${image}` : `data ${image.data}`;
}

function sourceOf(image: ImageInput["image"]): ImageSource {
  if (image instanceof Uint8Array) return image;
  return typeof image === "string" ? { path: image } : image.data;
}
