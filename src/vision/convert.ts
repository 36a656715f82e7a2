/** Numbers of safetensors (BF16) as those of a GGUF, a piece at a time. Pure. */

import { RerankError } from "../errors.js";
import { encoders } from "../gguf/encode.js";
import { bytesOf, elements, padding, q8Block, type TensorType } from "../gguf/header.js";
import { patchLength } from "../gguf/mmproj.js";
import { bf16Bytes, type Step } from "./layout.js";

/** The most bytes of a source that are converted at once: under 10 ms of work. */
const pieceBytes = 2 ** 20;

/** Bytes of the step that are converted together when `left` are left of it. The patch convolution is so small that it is one piece. */
export function nextPiece({ outputs, begin, end }: Step, left: number): number {
  return outputs.length > 1 ? end - begin : Math.min(pieceBytes, left);
}

/** Whole blocks of q8_0 among so many bytes of a source. */
export function wholeBlocks({ outputs }: Step, bytes: number): number {
  return outputs.length > 1 ? 0 : bytes - (bytes % (q8Block * bf16Bytes));
}

/** The bytes of the GGUF for a piece of the step. `last`: with the padding up to the next tensor. */
export function convert(step: Step, source: Uint16Array, last: boolean): Uint8Array {
  const [first, second] = step.outputs;
  if (!first) return new Uint8Array();
  const values = widen(source, step.name, first.type);
  // Of the whole tensor: the last piece may be of any length.
  const rest = new Uint8Array(last ? padding(bytesOf(first.type, elements(first))) : 0);
  if (!second) return rest.length === 0 ? encoders[first.type](values) : Buffer.concat([encoders[first.type](values), rest]);
  return Buffer.concat([0, 1].flatMap((frame) => [encoders[first.type](frameOf(values, frame)), rest]));
}

/** The largest BF16 number whose scale, or which itself, F16 can hold. */
const largest: Readonly<Record<TensorType, number>> = { f32: 0x7f7f, f16: bits(65_504), q8_0: bits(127 * 65_504) };

/** The BF16 bits of a number, rounded towards zero. */
function bits(value: number): number {
  return (new Uint32Array(Float32Array.of(value).buffer)[0] as number) >>> 16;
}

/** Throws model_invalid for a number that is not finite, or too large for the type. */
function widen(source: Uint16Array, name: string, type: TensorType): Float32Array {
  const wide = new Uint32Array(source.length);
  let most = 0;
  for (let index = 0; index < source.length; index++) {
    const value = source[index] as number;
    wide[index] = value << 16;
    // Without their sign, larger bits are a larger number.
    most = Math.max(most, value & 0x7fff);
  }
  if (most > largest[type]) {
    const what = most >= 0x7f80 ? "that is not finite" : `that is too large for ${type}`;
    throw new RerankError("model_invalid", `tensor ${name} holds a number ${what}`);
  }
  return new Float32Array(wide.buffer);
}

/** The numbers of one of the two frames. For each channel the source has a patch of the first, then one of the second. */
function frameOf(values: Float32Array, frame: number): Float32Array {
  const patch = patchLength ** 2;
  const chosen = new Float32Array(values.length / 2);
  for (let at = 0; at < chosen.length; at += patch) {
    chosen.set(values.subarray(2 * at + frame * patch, 2 * at + (frame + 1) * patch), at);
  }
  return chosen;
}
