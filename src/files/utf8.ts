/** Decodes text from users: UTF-8, with or without a byte order mark. Other encodings are refused, never guessed. */

import { isUtf8 } from "node:buffer";
import { RerankError } from "../errors.js";

const utf16Advice = "write it as UTF-8 (PowerShell: Out-File -Encoding utf8; elsewhere: iconv -f UTF-16 -t UTF-8)";
const advice = "write it as UTF-8 (from Latin-1: iconv -f LATIN1 -t UTF-8)";
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Throws invalid_request when the bytes are not UTF-8, or contain NUL, a sign of UTF-16. `where` begins the message. */
export function decodeUtf8(bytes: Uint8Array, where?: string): string {
  const problem = wrongEncoding(bytes);
  const prefix = where === undefined ? "" : `${where}: `;
  if (problem !== undefined) throw new RerankError("invalid_request", `${prefix}expected text in UTF-8, got ${problem}`);
  return decoder.decode(bytes);
}

/** Decodes a whole file and drops its byte order mark. The error names the first line that is wrong. */
export function decodeUtf8File(bytes: Buffer, name: string): string {
  refuseUtf16(bytes, name);
  const text = withoutMark(bytes);
  if (wrongEncoding(text) === undefined) return decoder.decode(text);
  let start = 0;
  for (let line = 1; ; line++) {
    const end = text.indexOf(10, start);
    decodeUtf8(text.subarray(start, end < 0 ? text.length : end), `${name}, line ${line}`);
    start = end + 1;
  }
}

/** Throws invalid_request when a file begins with UTF-16's byte order mark. */
export function refuseUtf16(bytes: Uint8Array, name: string): void {
  if (!((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff))) return;
  throw new RerankError("invalid_request", `${name}: expected text in UTF-8, got UTF-16; ${utf16Advice}`);
}

export function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

function wrongEncoding(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return `NUL characters, as UTF-16 has them; ${utf16Advice}`;
  return isUtf8(bytes) ? undefined : `bytes that are not UTF-8; ${advice}`;
}
