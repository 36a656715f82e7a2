/** Numbers as the types of GGUF tensors, with ggml's rounding (`ggml_fp32_to_fp16`, `quantize_row_q8_0_ref`), bit for bit. */

import { bytesOf, q8Block, type TensorType } from "./header.js";

/** Tables by the 9 bits of sign and exponent: how far the significand is shifted right, and what is added to it then. */
const halfShift = new Uint8Array(512);
const halfBase = new Uint16Array(512);
for (let index = 0; index < 512; index++) {
  const [shift, base] = halfParts((index & 0xff) - 127);
  halfShift[index] = shift;
  halfBase[index] = base | ((index & 0x100) << 7);
}

/** `exponent` without its bias. A shift of 25 leaves nothing, also when it rounds. */
function halfParts(exponent: number): [shift: number, base: number] {
  if (exponent > 15) return [25, 0x7c00];
  // The significand's leading 1 adds the 1 that is missing here.
  if (exponent >= -14) return [13, (exponent + 14) << 10];
  return [Math.min(-exponent - 1, 25), 0];
}

/** Rounds to the nearest float16, ties to even. Values beyond its range, and NaN, become infinities. */
export function toHalf(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  const integers = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let index = 0; index < values.length; index++) {
    const bits = integers[index] as number;
    const key = bits >>> 23;
    const shift = halfShift[key] as number;
    const significand = (bits & 0x7fffff) | 0x800000;
    const tieToEven = (1 << (shift - 1)) - 1 + ((significand >> shift) & 1);
    halves[index] = (halfBase[key] as number) + ((significand + tieToEven) >> shift);
  }
  return halves;
}

/** Blocks of 32 values: a float16 scale, then the values divided by it as int8, halves rounded away from zero. */
export function toQ8(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(bytesOf("q8_0", values.length));
  const quants = new Int8Array(bytes.buffer);
  const scales = new Float32Array(values.length / q8Block);
  for (let block = 0; block < scales.length; block++) {
    const begin = block * q8Block;
    let largest = 0;
    for (let index = begin; index < begin + q8Block; index++) largest = Math.max(largest, Math.abs(values[index] as number));
    const scale = Math.fround(largest / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    scales[block] = scale;
    const at = block * (2 + q8Block) + 2 - begin;
    for (let index = begin; index < begin + q8Block; index++) {
      const value = Math.fround((values[index] as number) * inverse);
      quants[at + index] = (value + (value < 0 ? -0.5 : 0.5)) | 0;
    }
  }
  const halves = toHalf(scales);
  for (let block = 0; block < halves.length; block++) {
    bytes[block * (2 + q8Block)] = halves[block] as number;
    bytes[block * (2 + q8Block) + 1] = (halves[block] as number) >> 8;
  }
  return bytes;
}

function bytesIn(values: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** The bytes of a tensor's values. Of q8_0 their number is a multiple of 32. */
export const encoders: Readonly<Record<TensorType, (values: Float32Array) => Uint8Array>> = {
  f32: bytesIn,
  f16: (values) => bytesIn(toHalf(values)),
  q8_0: toQ8,
};
