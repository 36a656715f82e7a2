/** PNGs that are written by hand, chunk by chunk, so that any field may be wrong. */

import { crc32, deflateSync } from "node:zlib";

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample. */
  readonly depth?: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha. */
  readonly colour?: number;
}

type Chunk = readonly [type: string, data: Uint8Array];

/** `rows` are the bytes before compression, each row with its filter's byte; `extra` comes before them. */
export function png(header: PngHeader, rows: Uint8Array, extra: readonly Chunk[] = []): Buffer {
  return pngOf(header, deflateSync(rows, { level: 9 }), extra);
}

/** `data` is the compressed stream. */
export function pngOf(
  { width, height, depth = 8, colour = 2 }: PngHeader,
  data: Uint8Array,
  extra: readonly Chunk[] = [],
): Buffer {
  const first = Buffer.alloc(13);
  first.writeUInt32BE(width, 0);
  first.writeUInt32BE(height, 4);
  first.set([depth, colour], 8);
  const chunks: readonly Chunk[] = [["IHDR", first], ...extra, ["IDAT", data], ["IEND", Buffer.alloc(0)]];
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), ...chunks.map(chunk)]);
}

function chunk([type, data]: Chunk): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** A PNG of one colour; its samples are those of the colour type, already in the depth's bytes. */
export function plainPng(header: PngHeader, pixel: readonly number[], extra: readonly Chunk[] = []): Buffer {
  const row = Buffer.from([0, ...Array.from({ length: header.width }, () => pixel).flat()]);
  return png(header, Buffer.concat(Array.from({ length: header.height }, () => row)), extra);
}
