/** Reads a GGUF's numbers and tensors (F32 and F16) into plain float64 arrays, for the reference forward pass. */

import { readFile } from "node:fs/promises";
import { halfToNumber } from "../../src/model/npz.js";

export interface GgufFile {
  metadata: Map<string, number | string | boolean>;
  tensors: Map<string, { shape: number[]; values: Float64Array }>;
}

const scalarReaders: Record<number, { bytes: number; read: (buffer: Buffer, offset: number) => number | boolean }> = {
  4: { bytes: 4, read: (buffer, offset) => buffer.readUInt32LE(offset) },
  5: { bytes: 4, read: (buffer, offset) => buffer.readInt32LE(offset) },
  6: { bytes: 4, read: (buffer, offset) => buffer.readFloatLE(offset) },
  7: { bytes: 1, read: (buffer, offset) => buffer.readUInt8(offset) !== 0 },
};
const stringType = 8;
const arrayType = 9;

export async function readGguf(path: string): Promise<GgufFile> {
  const buffer = await readFile(path);
  let offset = 4;
  const u32 = () => {
    offset += 4;
    return buffer.readUInt32LE(offset - 4);
  };
  const u64 = () => {
    offset += 8;
    return Number(buffer.readBigUInt64LE(offset - 8));
  };
  const string = () => {
    const length = u64();
    offset += length;
    return buffer.toString("utf8", offset - length, offset);
  };
  const scalar = (type: number) => {
    if (type === stringType) return string();
    const reader = scalarReaders[type];
    if (!reader) throw new Error(`GGUF value type ${type}`);
    offset += reader.bytes;
    return reader.read(buffer, offset - reader.bytes);
  };

  if (buffer.toString("latin1", 0, 4) !== "GGUF" || u32() !== 3) throw new Error(`${path} is not a GGUF of version 3`);
  const tensorCount = u64();
  const keyCount = u64();
  const metadata: GgufFile["metadata"] = new Map();
  for (let index = 0; index < keyCount; index++) {
    const key = string();
    const type = u32();
    if (type === arrayType) {
      const itemType = u32();
      for (let left = u64(); left > 0; left--) scalar(itemType);
    } else {
      metadata.set(key, scalar(type));
    }
  }
  const infos = Array.from({ length: tensorCount }, () => ({
    name: string(),
    shape: Array.from({ length: u32() }, u64),
    type: u32(),
    offset: u64(),
  }));
  const data = Math.ceil(offset / 32) * 32;
  const tensors: GgufFile["tensors"] = new Map();
  for (const info of infos) {
    const count = info.shape.reduce((product, length) => product * length, 1);
    const at = data + info.offset;
    if (info.type !== 0 && info.type !== 1) throw new Error(`tensor ${info.name} is of ggml type ${info.type}`);
    const values = Float64Array.from({ length: count }, (_, index) =>
      info.type === 0 ? buffer.readFloatLE(at + index * 4) : halfToNumber(buffer.readUInt16LE(at + index * 2)),
    );
    tensors.set(info.name, { shape: info.shape, values });
  }
  return { metadata, tensors };
}
