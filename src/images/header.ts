/**
 * Format and size of an image, from its first bytes. They are looked at before anything is decoded, so what is too large or of
 * another type never reaches a decoder. A file's name and media type do not count.
 */

import { RerankError } from "../errors.js";
import type { Size } from "./size.js";

export interface Header extends Size {
  readonly format: "JPEG" | "PNG" | "WebP" | "GIF";
}

interface Reader {
  readonly format: Header["format"];
  /** What a file of the format begins with; a dot stands for any byte. */
  readonly beginning: RegExp;
  /** undefined = the header is incomplete or damaged. */
  size(bytes: Buffer): Size | undefined;
}

const readers: readonly Reader[] = [
  { format: "JPEG", beginning: /^\xff\xd8\xff/, size: jpegSize },
  { format: "PNG", beginning: /^\x89PNG\r\n/, size: pngSize },
  { format: "WebP", beginning: /^RIFF.{4}WEBP/s, size: webpSize },
  { format: "GIF", beginning: /^GIF8[79]a/, size: (bytes) => ({ width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) }) },
];

/** Looks at the first 12 bytes; undefined = they are not those of an image. */
export function formatOf(bytes: Uint8Array): Header["format"] | undefined {
  return readerOf(bytes)?.format;
}

/** Throws image_invalid. */
export function readHeader(bytes: Uint8Array): Header {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader = readerOf(bytes);
  if (!reader) throw new RerankError("image_invalid", "expected a JPEG, PNG, WebP or GIF, got something else");
  const { format } = reader;
  const size = unlessCut(() => reader.size(buffer));
  if (!size || size.width === 0 || size.height === 0) {
    throw new RerankError("image_invalid", `expected an image, got a ${format} with a damaged header`);
  }
  return { format, ...size };
}

function readerOf(bytes: Uint8Array): Reader | undefined {
  const first = Buffer.from(bytes.subarray(0, 12)).toString("latin1");
  return readers.find(({ beginning }) => beginning.test(first));
}

/** Skips segments up to the first frame header. */
function jpegSize(bytes: Buffer): Size | undefined {
  let at = 2;
  while (bytes[at] === 0xff) {
    const marker = bytes.readUInt8(at + 1);
    // A marker may be preceded by any number of FF.
    if (marker === 0xff) at += 1;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    } else at += 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}

function pngSize(bytes: Buffer): Size | undefined {
  if (bytes.toString("latin1", 12, 16) !== "IHDR") return undefined;
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

function webpSize(bytes: Buffer): Size | undefined {
  switch (bytes.toString("latin1", 12, 16)) {
    case "VP8 ":
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
    case "VP8L": {
      const packed = bytes.readUInt32LE(21);
      return { width: (packed & 0x3fff) + 1, height: ((packed >>> 14) & 0x3fff) + 1 };
    }
    case "VP8X":
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
    default:
      return undefined;
  }
}

/** Reading behind the end of a Buffer throws a RangeError. */
function unlessCut<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
