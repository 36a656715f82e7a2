/**
 * Writes GGUF version 3 block by block, so that a model of gigabytes is never in memory as a whole. The format: magic, version,
 * counts, key-value pairs, tensor infos, then the data, each tensor aligned to 32 bytes. All numbers are little-endian.
 */

import { type FileHandle, open } from "node:fs/promises";

export type MetadataValue =
  | { type: "u32"; value: number }
  | { type: "f32"; value: number }
  | { type: "bool"; value: boolean }
  | { type: "string"; value: string }
  | { type: "i32[]"; value: readonly number[] }
  | { type: "f32[]"; value: readonly number[] }
  | { type: "string[]"; value: readonly string[] };

/** A row of q8_0 has a multiple of 32 values. */
export type TensorType = "f32" | "f16" | "q8_0";

export interface Tensor {
  name: string;
  /** ggml's order: the contiguous dimension first, so [columns, rows]. */
  shape: readonly number[];
  type: TensorType;
  /** Fills a block with the values from element `offset` on. Called for ascending offsets. */
  fill(block: Float32Array, offset: number): void;
}

const alignment = 32;
const blockElements = 1 << 20;
const valueType = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;
const tensorType = { f32: 0, f16: 1, q8_0: 8 } as const;
const q8Block = 32;
const tensorBytes = { f32: 4, f16: 2, q8_0: (2 + q8Block) / q8Block } as const; // of a value

export async function writeGguf(
  path: string,
  metadata: ReadonlyMap<string, MetadataValue>,
  tensors: readonly Tensor[],
): Promise<void> {
  const file = await open(path, "w");
  try {
    const header = encodeHeader(metadata, tensors);
    await writeAll(file, header);
    await writeAll(file, new Uint8Array(padding(header.length)));
    for (const tensor of tensors) await writeTensor(file, tensor);
  } finally {
    await file.close();
  }
}

function elements(tensor: Tensor): number {
  return tensor.shape.reduce((product, length) => product * length, 1);
}

function padding(length: number): number {
  return (alignment - (length % alignment)) % alignment;
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) offset += (await file.write(bytes, offset)).bytesWritten;
}

async function writeTensor(file: FileHandle, tensor: Tensor): Promise<void> {
  const count = elements(tensor);
  const block = new Float32Array(Math.min(count, blockElements));
  for (let offset = 0; offset < count; offset += block.length) {
    const part = block.subarray(0, Math.min(block.length, count - offset));
    tensor.fill(part, offset);
    const encoded = encoders[tensor.type](part);
    await writeAll(file, new Uint8Array(encoded.buffer, encoded.byteOffset, encoded.byteLength));
  }
  await writeAll(file, new Uint8Array(padding(count * tensorBytes[tensor.type])));
}

function encodeHeader(metadata: ReadonlyMap<string, MetadataValue>, tensors: readonly Tensor[]): Uint8Array {
  const out = new Encoder();
  out.bytes(new TextEncoder().encode("GGUF"));
  out.u32(3);
  out.u64(tensors.length);
  out.u64(metadata.size);
  for (const [key, value] of metadata) {
    out.string(key);
    out.value(value);
  }
  let offset = 0;
  for (const tensor of tensors) {
    out.string(tensor.name);
    out.u32(tensor.shape.length);
    for (const length of tensor.shape) out.u64(length);
    out.u32(tensorType[tensor.type]);
    out.u64(offset);
    const bytes = elements(tensor) * tensorBytes[tensor.type];
    offset += bytes + padding(bytes);
  }
  return out.finish();
}

class Encoder {
  #buffer = Buffer.alloc(1 << 16);
  #length = 0;

  #reserve(count: number): number {
    if (this.#length + count > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(this.#buffer.length * 2, this.#length + count));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#length += count;
    return this.#length - count;
  }

  bytes(value: Uint8Array): void {
    const offset = this.#reserve(value.length);
    this.#buffer.set(value, offset);
  }

  u32(value: number): void {
    const offset = this.#reserve(4);
    this.#buffer.writeUInt32LE(value, offset);
  }

  u64(value: number): void {
    const offset = this.#reserve(8);
    this.#buffer.writeBigUInt64LE(BigInt(value), offset);
  }

  i32(value: number): void {
    const offset = this.#reserve(4);
    this.#buffer.writeInt32LE(value, offset);
  }

  f32(value: number): void {
    const offset = this.#reserve(4);
    this.#buffer.writeFloatLE(value, offset);
  }

  string(value: string): void {
    const encoded = Buffer.from(value, "utf8");
    this.u64(encoded.length);
    this.bytes(encoded);
  }

  value(value: MetadataValue): void {
    switch (value.type) {
      case "u32":
        this.u32(valueType.u32);
        this.u32(value.value);
        break;
      case "f32":
        this.u32(valueType.f32);
        this.f32(value.value);
        break;
      case "bool":
        this.u32(valueType.bool);
        this.bytes(Uint8Array.of(value.value ? 1 : 0));
        break;
      case "string":
        this.u32(valueType.string);
        this.string(value.value);
        break;
      case "i32[]":
        this.u32(valueType.array);
        this.u32(valueType.i32);
        this.u64(value.value.length);
        for (const item of value.value) this.i32(item);
        break;
      case "f32[]":
        this.u32(valueType.array);
        this.u32(valueType.f32);
        this.u64(value.value.length);
        for (const item of value.value) this.f32(item);
        break;
      case "string[]":
        this.u32(valueType.array);
        this.u32(valueType.string);
        this.u64(value.value.length);
        for (const item of value.value) this.string(item);
        break;
    }
  }

  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
}

/**
 * Tables for float32 to float16, by the 9 bits of sign and exponent: the bits of the float16, and how far the fraction is shifted
 * right before it is added to them.
 */
const halfBase = new Uint16Array(512);
const halfShift = new Uint8Array(512);
for (let index = 0; index < 256; index++) {
  const [base, shift] = halfParts(index - 127);
  halfBase[index] = base;
  halfBase[index | 0x100] = base | 0x8000;
  halfShift[index] = shift;
  halfShift[index | 0x100] = shift;
}

/** `exponent` without its bias. A shift of 24 drops the whole fraction. */
function halfParts(exponent: number): [base: number, shift: number] {
  if (exponent < -25) return [0, 24];
  if (exponent === -25) return [1, 24]; // at least half of the smallest subnormal: rounds up to it
  if (exponent < -14) return [0x0400 >> (-exponent - 14), -exponent - 1];
  if (exponent <= 15) return [(exponent + 15) << 10, 13];
  return [0x7c00, 24];
}

/** Rounds to the nearest float16, ties away from zero. Values beyond its range become infinities. */
export function toHalf(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  const integers = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let index = 0; index < values.length; index++) {
    const bits = integers[index] as number;
    const key = bits >>> 23;
    const shift = halfShift[key] as number;
    const fraction = bits & 0x7fffff;
    const rounding = shift < 24 ? (fraction >> (shift - 1)) & 1 : 0;
    halves[index] = (halfBase[key] as number) + (fraction >> shift) + rounding;
  }
  return halves;
}

/** Blocks of 32 values: a float16 scale, then the values divided by it as int8. */
function toQ8(values: Float32Array): Uint8Array {
  const scales = new Float32Array(values.length / q8Block);
  for (let index = 0; index < values.length; index++) {
    const block = Math.floor(index / q8Block);
    scales[block] = Math.max(scales[block] as number, Math.abs(values[index] as number) / 127);
  }
  const halves = toHalf(scales);
  const bytes = new DataView(new ArrayBuffer(values.length * tensorBytes.q8_0));
  for (const [block, scale] of scales.entries()) {
    const at = block * (2 + q8Block);
    bytes.setUint16(at, halves[block] as number, true);
    for (let index = 0; index < q8Block; index++) {
      const value = values[block * q8Block + index] as number;
      bytes.setInt8(at + 2 + index, scale > 0 ? Math.round(value / scale) : 0);
    }
  }
  return new Uint8Array(bytes.buffer);
}

const encoders = { f32: (values: Float32Array) => values, f16: toHalf, q8_0: toQ8 } as const;
