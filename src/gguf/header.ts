/**
 * The header of a GGUF, version 3: magic, version, counts, key-value pairs, then a record for each tensor. The data follows, each
 * tensor aligned to 32 bytes. All numbers are little-endian.
 */

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

export interface TensorInfo {
  readonly name: string;
  /** ggml's order: the contiguous dimension first, so [columns, rows]. */
  readonly shape: readonly number[];
  readonly type: TensorType;
}

const alignment = 32;
const valueType = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;
const tensorType = { f32: 0, f16: 1, q8_0: 8 } as const;
/** Values of a block of q8_0. */
export const q8Block = 32;
const valueBytes = { f32: 4, f16: 2, q8_0: (2 + q8Block) / q8Block } as const;

export function elements({ shape }: Pick<TensorInfo, "shape">): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** Bytes of so many values, without padding. */
export function bytesOf(type: TensorType, values: number): number {
  return values * valueBytes[type];
}

/** Bytes from the tensor's beginning to the next one's. */
export function paddedBytes(tensor: TensorInfo): number {
  const bytes = bytesOf(tensor.type, elements(tensor));
  return bytes + padding(bytes);
}

export function padding(length: number): number {
  return (alignment - (length % alignment)) % alignment;
}

/** The file up to the first tensor's data. */
export function encodeHeader(metadata: ReadonlyMap<string, MetadataValue>, tensors: readonly TensorInfo[]): Uint8Array {
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
    offset += paddedBytes(tensor);
  }
  out.bytes(new Uint8Array(padding(out.length)));
  return out.finish();
}

class Encoder {
  #buffer = Buffer.alloc(1 << 16);
  #length = 0;

  get length(): number {
    return this.#length;
  }

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
