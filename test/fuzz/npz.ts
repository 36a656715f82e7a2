/** Damaged score heads: truncated, with flipped bits, with wrong counts and sizes. The same seed gives the same file. */

import { zipSync } from "fflate";

const lies = [0, 1, 2, 3, 255, 256, 1024, 65535, 65536, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const shapes = ["", "0,", "1,", "2,", "2, 2", "2, 1", "4,", "4294967296,", "9007199254740993, 2", "-1,", "65536, 65536", "1e9,"];
const types = ["<f2", "<f4", "<f8", ">f4", "<i4", "|O", "<f4' : '<f4", ""];
const names = ["W1", "b1", "W2", "b2", "logit_bias", "__proto__", "constructor", "../W1", "", "W1.npy"];
const sound = { W1: "2, 2", b1: "2,", W2: "2, 1", b2: "1,", logit_bias: "1," };

/** Random numbers from 0 to 1 (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function npy(descr: string, shape: string, data: Buffer, order = "False", headerLength?: number): Buffer {
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape}), }`.padEnd(117);
  const length = Buffer.alloc(2);
  length.writeUInt16LE((headerLength ?? header.length + 1) & 0xffff);
  return Buffer.concat([
    Buffer.from([0x93]),
    Buffer.from("NUMPY"),
    Buffer.from([1, 0]),
    length,
    Buffer.from(`${header}\n`),
    data,
  ]);
}

export function damagedHead(seed: number): Uint8Array {
  const random = randomOf(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const one = <T>(values: readonly [T, ...T[]] | readonly T[], otherwise: T): T => values[below(values.length)] ?? otherwise;

  const entries: Record<string, Uint8Array> = {};
  for (const [name, shape] of Object.entries(sound)) {
    const count = shape.split(",").reduce((product, part) => product * (Number(part) || 1), 1);
    const floats = Buffer.from(new Uint8Array(Float32Array.from({ length: count }, () => random() - 0.5).buffer));
    const spoiled = below(20);
    const array = npy(
      spoiled === 1 ? one(types, "<f4") : "<f4",
      spoiled === 2 ? one(shapes, shape) : shape,
      spoiled === 3 ? floats.subarray(0, below(floats.length)) : floats,
      spoiled === 4 && below(3) === 0 ? "True" : "False",
      spoiled === 5 && below(3) === 0 ? one(lies, 1) : undefined,
    );
    entries[`${below(20) === 0 ? one(names, name) : name}.npy`] = array;
  }
  const bytes = Buffer.from(zipSync(entries, { level: below(2) === 0 ? 0 : 6 }));
  const damage = below(6);
  if (damage === 0) return bytes.subarray(0, below(bytes.length));
  // The zip's directory, with counts and sizes, is at the end.
  const place = () => (below(2) === 0 ? below(bytes.length - 4) : bytes.length - 4 - below(Math.min(400, bytes.length - 4)));
  if (damage === 1) for (let flips = 1 + below(4); flips > 0; flips--) bytes[place()] = below(256);
  if (damage === 2) bytes.writeUInt32LE(one(lies, 0), place());
  if (damage === 3) bytes.writeUInt16LE(below(65536), place());
  return bytes;
}
