/** What may stand for an image: bytes, a file, or a string as clients send it. */

import { readFile, stat } from "node:fs/promises";
import { RerankError } from "../errors.js";

/** A string is a data: URI, base64, or an http(s) URL, and never a path: strings come from clients. */
export type ImageSource = string | Uint8Array | { readonly path: string };

export type ParsedSource = { readonly bytes: Uint8Array } | { readonly url: string };

/** Throws image_invalid or image_too_large. */
export function parseSource(text: string, maxBytes: number): ParsedSource {
  if (/^(?!data:)[a-z][a-z\d+.-]*:/i.test(text)) return { url: text };
  if (!/^data:/i.test(text)) return { bytes: decodeBase64(text, maxBytes) };
  const comma = text.indexOf(",");
  if (comma < 0 || !/;base64$/i.test(text.slice(0, comma))) {
    throw new RerankError("image_invalid", "expected a data: URI in base64, got one that is not");
  }
  return { bytes: decodeBase64(text.slice(comma + 1), maxBytes) };
}

/**
 * Decodes base64 of either alphabet, with its padding. Buffer skips what it does not know, and stops at the first `=`, so the
 * result is shorter than announced where anything else was in the text.
 */
function decodeBase64(text: string, maxBytes: number): Uint8Array {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const length = (text.length / 4) * 3 - padding;
  checkBytes(length, maxBytes);
  const bytes = text.length % 4 === 0 ? Buffer.from(text, "base64") : undefined;
  if (bytes?.length === length && length > 0) return bytes;
  throw new RerankError("image_invalid", "expected an image as a data: URI or in base64, got neither");
}

/** Throws image_unreachable or image_too_large. */
export async function readImageFile(path: string, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new RerankError("image_unreachable", `expected a file, got something else: ${path}`);
    checkBytes(found.size, maxBytes);
    return await readFile(path, { signal });
  } catch (error) {
    if (error instanceof RerankError) throw error;
    signal?.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    throw new RerankError("image_unreachable", `expected a file that can be read: ${reason}`, { cause: error });
  }
}

/** Throws image_too_large. */
export function checkBytes(length: number, maxBytes: number): void {
  if (length <= maxBytes) return;
  const got = Math.ceil((length / 2 ** 20) * 10) / 10;
  throw new RerankError("image_too_large", `expected at most ${maxBytes / 2 ** 20} MB, got ${got} MB`);
}
