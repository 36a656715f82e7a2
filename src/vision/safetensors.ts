/**
 * The header of a safetensors file: 8 bytes with its length, then JSON with the type, shape and place of each tensor. It comes from
 * a hub and is checked before anything uses it. Pure.
 */

import { Type } from "typebox";
import { Check } from "typebox/value";
import { RerankError } from "../errors.js";
import { parseAnswer, printable, WrongAnswer } from "../model/hub-answers.js";

export interface StoredTensor {
  readonly name: string;
  /** As the file says it, such as BF16. */
  readonly dtype: string;
  /** The contiguous dimension last. */
  readonly shape: readonly number[];
  /** Bytes of the file. */
  readonly begin: number;
  readonly end: number;
}

/** Bytes before the header. */
export const prefixBytes = 8;
/** The published model's header has about 80 KB. */
const maximumHeaderBytes = 4 * 2 ** 20;
/** The format counts up to 2^64, a number of JavaScript holds less. */
const Offset = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const Header = Type.Record(Type.String(), Type.Unknown());
const Entry = Type.Object({
  dtype: Type.String({ maxLength: 16 }),
  shape: Type.Array(Offset, { maxItems: 8 }),
  data_offsets: Type.Tuple([Offset, Offset]),
});

/** Reads the header's length. `file`, here and below, says in messages which file it is. */
export function headerLength(prefix: Uint8Array, size: number, file: string): number {
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, prefixBytes).getBigUint64(0, true));
  if (length > 0 && length <= maximumHeaderBytes && prefixBytes + length <= size) return length;
  const expected = `expected at most ${Math.min(maximumHeaderBytes, size - prefixBytes)}`;
  throw wrong(file, `its first 8 bytes say that its header has ${length} bytes, ${expected}`);
}

/** The tensors in the order of the file. They fill it from the header to the end, without gaps, as the format demands. */
export function parseHeader(header: Uint8Array, size: number, file: string): readonly StoredTensor[] {
  const data = prefixBytes + header.length;
  const tensors = Object.entries(read(header, file)).flatMap(([name, entry]) => {
    // Text about the file, which nothing needs.
    if (name === "__metadata__") return [];
    if (!Check(Entry, entry)) throw wrong(file, `tensor ${printable(name)} lacks its dtype, shape or data_offsets`);
    const [begin, end] = entry.data_offsets;
    return [{ name, dtype: entry.dtype, shape: entry.shape, begin: data + begin, end: data + end }];
  });
  tensors.sort((left, right) => left.begin - right.begin || left.end - right.end);
  let at = data;
  for (const { name, begin, end } of tensors) {
    if (begin !== at || end < begin) {
      throw wrong(
        file,
        `tensor ${printable(name)} is at ${begin} to ${end}, expected to begin at ${at}, where the one before ends`,
      );
    }
    at = end;
  }
  if (at !== size) throw wrong(file, `its tensors end at ${at}, expected at its end, ${size}`);
  return tensors;
}

function read(header: Uint8Array, file: string): Readonly<Record<string, unknown>> {
  try {
    return parseAnswer(Header, Buffer.from(header).toString("utf8"));
  } catch (error) {
    throw error instanceof WrongAnswer ? wrong(file, `its header is ${error.message}`) : error;
  }
}

function wrong(file: string, what: string): RerankError {
  return new RerankError("model_invalid", `${file}: ${what}; it is no safetensors file, or a damaged one`);
}
