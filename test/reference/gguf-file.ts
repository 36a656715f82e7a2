/** Reads a GGUF's metadata and tensors (F32, F16 and Q8_0) into plain float64 arrays, for the reference forward pass. */

import { readFile } from "node:fs/promises";
import { halfToNumber } from "../../src/model/npz.js";

export type GgufValue = number | string | boolean | GgufValue[];

export interface GgufTensor {
  /** ggml's order: the contiguous dimension first. */
  shape: number[];
  type: "f32" | "f16" | "q8_0";
  values: Float64Array;
}

export interface GgufFile {
  metadata: Map<string, GgufValue>;
  tensors: Map<string, GgufTensor>;
}

const scalarReaders: Readonly<Record<number, { bytes: number; read: (buffer: Buffer, offset: number) => number | boolean }>> = {
  4: { bytes: 4, read: (buffer, offset) => buffer.readUInt32LE(offset) },
  5: { bytes: 4, read: (buffer, offset) => buffer.readInt32LE(offset) },
  6: { bytes: 4, read: (buffer, offset) => buffer.readFloatLE(offset) },
  7: { bytes: 1, read: (buffer, offset) => buffer.readUInt8(offset) !== 0 },
};
const stringType = 8;
const arrayType = 9;
const tensorTypes: Readonly<Record<number, GgufTensor["type"]>> = { 0: "f32", 1: "f16", 8: "q8_0" };
const valueReaders: Readonly<Record<GgufTensor["type"], (buffer: Buffer, at: number, index: number) => number>> = {
  f32: (buffer, at, index) => buffer.readFloatLE(at + index * 4),
  f16: (buffer, at, index) => halfToNumber(buffer.readUInt16LE(at + index * 2)),
  // Blocks of 32: a float16 scale, then int8.
  q8_0: (buffer, at, index) => {
    const block = at + Math.floor(index / 32) * 34;
    return halfToNumber(buffer.readUInt16LE(block)) * buffer.readInt8(block + 2 + (index % 32));
  },
};
const alignment = 32;

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
  const value = (type: number): GgufValue => {
    if (type === stringType) return string();
    if (type === arrayType) {
      const itemType = u32();
      return Array.from({ length: u64() }, () => value(itemType));
    }
    const reader = scalarReaders[type];
    if (!reader) throw new Error(`GGUF value type ${type}`);
    offset += reader.bytes;
    return reader.read(buffer, offset - reader.bytes);
  };

  if (buffer.toString("latin1", 0, 4) !== "GGUF" || u32() !== 3) throw new Error(`${path} is not a GGUF of version 3`);
  const tensorCount = u64();
  const keyCount = u64();
  const metadata: GgufFile["metadata"] = new Map();
  for (let index = 0; index < keyCount; index++) metadata.set(string(), value(u32()));
  const infos = Array.from({ length: tensorCount }, () => ({
    name: string(),
    shape: Array.from({ length: u32() }, u64),
    type: u32(),
    offset: u64(),
  }));

  const data = Math.ceil(offset / alignment) * alignment;
  const tensors: GgufFile["tensors"] = new Map();
  for (const info of infos) {
    const type = tensorTypes[info.type];
    if (!type) throw new Error(`tensor ${info.name} is of ggml type ${info.type}`);
    if (info.offset % alignment !== 0)
      throw new Error(`tensor ${info.name} begins at ${info.offset}, not a multiple of ${alignment}`);
    const values = new Float64Array(info.shape.reduce((product, length) => product * length, 1));
    const at = data + info.offset;
    for (let index = 0; index < values.length; index++) {
      values[index] = valueReaders[type](buffer, at, index);
    }
    tensors.set(info.name, { shape: info.shape, type, values });
  }
  return { metadata, tensors };
}
