/** Encodes arrays of f32 as numpy's .npz, deflated like the published head. */

import { zipSync } from "fflate";

export interface FloatArray {
  shape: readonly number[];
  values: Float32Array;
}

export function encodeNpz(arrays: Readonly<Record<string, FloatArray>>): Uint8Array {
  const entries = Object.entries(arrays).map(([name, array]) => [`${name}.npy`, encodeNpy(array)]);
  // A fixed date makes equal arrays give equal files. zip stores local time, so the date is in local time.
  return zipSync(Object.fromEntries(entries), { level: 6, mtime: new Date(1980, 0, 2) });
}

function encodeNpy({ shape, values }: FloatArray): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  const prefix = 10;
  const length = Math.ceil((prefix + dictionary.length + 1) / 64) * 64 - prefix;
  const header = Buffer.alloc(prefix + length, " ");
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  header.writeUInt16LE(length, 8);
  header.write(dictionary, prefix, "latin1");
  header[prefix + length - 1] = 0x0a;
  return Buffer.concat([header, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)]);
}
