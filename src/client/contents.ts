/** Queries and documents as HTTP carries them. */

import type { Content } from "./types.js";

/** Throws a TypeError for a path: a string says where an image is only to the library. */
export function written(content: Content, field: string): string | { readonly image: string } {
  if (typeof content === "string") return content;
  const { image } = content;
  if (image instanceof Uint8Array) return { image: base64(image) };
  if (typeof image?.data === "string") return { image: image.data };
  throw new TypeError(
    `${field}.image: expected bytes, or {data} with a data: URI, base64 or a URL; only the library reads files by their path`,
  );
}

/** Arguments that a call takes at once. */
const callLength = 2 ** 15;

/** Browsers have no Buffer. */
function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += callLength) binary += String.fromCharCode(...bytes.subarray(at, at + callLength));
  return btoa(binary);
}
