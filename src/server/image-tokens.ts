/** Tokens of images that were not decoded: estimated for admission, before anything is done for a request. */

import { readHeader } from "../images/header.js";
import { targetSize, tokenSide, tokensOf } from "../images/size.js";

/** Base64 that is decoded for the header. A JPEG's size stands behind its metadata, which is rarely longer. */
const headerLetters = 4 * 2 ** 14;

/** Bytes that an image takes for each token once it is decoded: its pixels in RGB, for JavaScript and once more for the engine. */
export const bytesPerImageToken = 2 * 3 * tokenSide ** 2;

/**
 * Tokens of an image by the size that its header tells. `maxTokens` for one that is at a URL or whose size is not seen: whether it
 * is an image at all is found out when it is decoded.
 */
export function imageTokens(data: string, maxTokens: number): number {
  const base64 = /^data:/i.test(data) ? data.indexOf(",") + 1 : 0;
  try {
    const header = readHeader(Buffer.from(data.slice(base64, base64 + headerLetters), "base64"));
    return Math.min(maxTokens, tokensOf(targetSize(header, maxTokens)));
  } catch {
    return maxTokens;
  }
}
