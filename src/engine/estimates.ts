/** Estimates of a text that need no tokenizer. */

/** Bytes of UTF-8 in a token of English text. Other text has fewer, which is near enough for comparing queues. */
const bytesPerToken = 4;

/** At least 1. */
export function estimatedTokens(text: string): number {
  return 1 + Math.floor(Buffer.byteLength(text) / bytesPerToken);
}

/** UTF-16 units. Only the beginning counts, since documents that begin alike share their beginning in the cache. */
const fingerprintLength = 256;

/** FNV-1a over UTF-16 units, 32 bits. */
export function fingerprint(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length && index < fingerprintLength; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
