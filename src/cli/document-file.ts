/** Reads a file that is a document or a query: an image by its first bytes, else text. */

import { RerankError } from "../errors.js";
import { formatOf } from "../images/header.js";
import { beginningOf } from "../model/local-file.js";
import type { Content, ImageInput } from "../types.js";
import { readText, unreadable } from "./read-text.js";

/** Throws invalid_request. An image is read only when its turn comes: pages are many, and large. */
export async function readDocument(path: string): Promise<Content> {
  return (await isImage(path)) ? { image: path } : await readText(path);
}

/** Throws invalid_request, or image_invalid when the file is no image. */
export async function readImage(path: string): Promise<ImageInput> {
  if (await isImage(path)) return { image: path };
  throw new RerankError("image_invalid", `${path}: expected a JPEG, PNG, WebP or GIF, got something else`);
}

async function isImage(path: string): Promise<boolean> {
  try {
    return formatOf(await beginningOf(path)) !== undefined;
  } catch (error) {
    throw unreadable(path, error);
  }
}
