/** Estimates of a query or document that need no tokenizer. */

import type { Image } from "../../binding.js";
import { tokensOf } from "../images/size.js";

/** Bytes of UTF-8 in a token of English text. Other text has fewer, which is near enough for comparing queues. */
const bytesPerToken = 4;

/** At least 1. An image's are exact. */
export function estimatedTokens(content: string | Image): number {
  return typeof content === "string" ? 1 + Math.floor(Buffer.byteLength(content) / bytesPerToken) : tokensOf(content);
}

/** UTF-16 units. Only the beginning counts, since documents that begin alike share their beginning in the cache. */
const fingerprintLength = 256;

/** FNV-1a over UTF-16 units, 32 bits. An image's is that of its hash. */
export function fingerprint(content: string | Image): number {
  const text = typeof content === "string" ? content : content.hash;
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length && index < fingerprintLength; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
