/** Reads pictures from files: whether the browser can, and their size. What is sent is the file as it is. */

import type { Picture } from "./content.js";
import { type Limits, megabytes } from "./limits.js";

/** The formats that the server decodes. */
export const pictureTypes: readonly string[] = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/** Also of formats that are not read, so that their refusal can say which are. */
export function holdsPicture({ type }: File): boolean {
  return type.startsWith("image/") || type === "application/pdf";
}

let pictures = 0;

/** Throws an error whose message can be shown. */
export async function readPicture(file: File, limits: Limits | undefined): Promise<Picture> {
  const { name, type, size } = file;
  if (limits?.images === false) throw new Error(`${name} was left out: this server ranks text only`);
  if (type === "application/pdf") throw new Error(`${name} is a PDF; pages are read as PNG, JPEG, WebP or GIF`);
  if (!pictureTypes.includes(type)) throw new Error(`${name} is neither PNG, JPEG, WebP nor GIF`);
  if (limits?.imageBytes !== undefined && size > limits.imageBytes) {
    throw new Error(`${name} has ${megabytes(size)}; this server takes images of up to ${megabytes(limits.imageBytes)}`);
  }
  const { width, height } = await sizeOf(file);
  if (limits?.imagePixels !== undefined && width * height > limits.imagePixels) {
    const most = (limits.imagePixels / 1e6).toLocaleString("en");
    throw new Error(`${name} has ${width} × ${height} pixels; this server takes images of up to ${most} million`);
  }
  return { id: ++pictures, file, width, height };
}

async function sizeOf(file: File): Promise<{ width: number; height: number }> {
  try {
    const bitmap = await createImageBitmap(file);
    const { width, height } = bitmap;
    bitmap.close();
    return { width, height };
  } catch {
    throw new Error(`${file.name} cannot be read as an image`);
  }
}
