/** Reads numpy's .npz: a zip (stored or deflated) of .npy arrays. Supports little-endian f2, f4 and f8 in C order. */

import { type UnzipFileInfo, unzipSync } from "fflate";

export interface NpyArray {
  shape: number[];
  /** In C order; f8 is rounded to f32. */
  values: Float32Array;
}

/** A head 4,096 wide has 16 Mi elements in W1. The limit is four times that. */
const maximumElements = 64 * 1024 * 1024;
/** The most that all wanted arrays may take unpacked: maximumElements in f8, and the headers. */
export const maximumBytes = maximumElements * 8 + 64 * 1024;
/** Deflate's best ratio: two bits stand for 258 bytes. */
const deflateRatio = 1032;
/** A damaged zip directory can claim 2^32 entries, and fflate would visit each. */
const maximumEntries = 1024;
const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY

/** Reads the arrays of these names; other entries are not unpacked. Throws an Error that says what is wrong. */
export function readNpz(bytes: Uint8Array, names: readonly string[]): Map<string, NpyArray> {
  const wanted = new Set(names.map((name) => `${name}.npy`));
  checkEntries(bytes, wanted);
  const arrays = new Map<string, NpyArray>();
  for (const [file, content] of Object.entries(unzip(bytes, ({ name }) => wanted.has(name)))) {
    const name = file.slice(0, -".npy".length);
    try {
      arrays.set(name, readNpy(content));
    } catch (error) {
      throw new Error(`array ${name}: ${reason(error)}`);
    }
  }
  return arrays;
}

/** Checks the sizes that the zip's directory claims, before unpacking: fflate allocates the claimed size. */
function checkEntries(bytes: Uint8Array, wanted: ReadonlySet<string>): void {
  const found = new Set<string>();
  let entries = 0;
  let total = 0;
  unzip(bytes, ({ name, size, originalSize }) => {
    if (++entries > maximumEntries) throw new Error(`more than ${maximumEntries} entries`);
    if (!wanted.has(name)) return false;
    if (found.has(name)) throw new Error(`${name} occurs twice`);
    found.add(name);
    total += originalSize;
    if (total > maximumBytes) throw new Error(`its arrays claim ${total} bytes, expected at most ${maximumBytes}`);
    if (originalSize > size * deflateRatio || size > bytes.length) {
      throw new Error(`${name} claims ${originalSize} bytes, which ${Math.min(size, bytes.length)} compressed ones cannot hold`);
    }
    return false;
  });
}

function unzip(bytes: Uint8Array, filter: (file: UnzipFileInfo) => boolean): Record<string, Uint8Array> {
  try {
    return unzipSync(bytes, { filter });
  } catch (error) {
    throw new Error(`not a readable .npz (a zip of .npy arrays): ${reason(error)}`);
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function readNpy(bytes: Uint8Array): NpyArray {
  if (bytes.length < 12 || magic.some((byte, index) => bytes[index] !== byte)) {
    throw new Error("not a .npy: it does not begin with \\x93NUMPY");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(6);
  if (version < 1 || version > 3) throw new Error(`.npy version ${version}, expected 1 to 3`);
  const headerOffset = version === 1 ? 10 : 12;
  const dataOffset = headerOffset + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (dataOffset > bytes.length) throw new Error(`its header ends at byte ${dataOffset}, but it has ${bytes.length} bytes`);
  const header = new TextDecoder().decode(bytes.subarray(headerOffset, dataOffset));

  const dtype = field(header, /'descr'\s*:\s*'([^']+)'/, "descr");
  const reader = readers[dtype];
  if (!reader) throw new Error(`dtype ${dtype}, expected ${Object.keys(readers).join(", ")}`);
  if (field(header, /'fortran_order'\s*:\s*(True|False)/, "fortran_order") === "True") {
    throw new Error("Fortran order, expected C order");
  }
  const shape = parseShape(field(header, /'shape'\s*:\s*\(([\d\s,]*)\)/, "shape"));
  const count = shape.reduce((product, length) => product * length, 1);
  if (!(count <= maximumElements)) throw new Error(`${shape.join(" × ")} elements, expected at most ${maximumElements}`);
  const expected = count * reader.bytes;
  const actual = bytes.length - dataOffset;
  if (actual !== expected) {
    throw new Error(`${actual} bytes of data, expected ${expected} for ${dtype} of shape (${shape.join(", ")})`);
  }
  const values = new Float32Array(count);
  for (let index = 0; index < count; index++) values[index] = reader.read(view, dataOffset + index * reader.bytes);
  return { shape, values };
}

/** `tuple` is the inside of a Python tuple: "" is a scalar, "3," one dimension. */
function parseShape(tuple: string): number[] {
  return tuple
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map(Number);
}

function field(header: string, pattern: RegExp, name: string): string {
  const value = header.match(pattern)?.[1];
  if (value === undefined) throw new Error(`its header has no valid ${name}`);
  return value;
}

interface Reader {
  bytes: number;
  read(view: DataView, offset: number): number;
}

const readers: Readonly<Record<string, Reader>> = {
  "<f2": { bytes: 2, read: (view, offset) => halfToNumber(view.getUint16(offset, true)) },
  "<f4": { bytes: 4, read: (view, offset) => view.getFloat32(offset, true) },
  "<f8": { bytes: 8, read: (view, offset) => view.getFloat64(offset, true) },
};

/** IEEE 754 binary16. */
export function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * 2 ** (exponent - 25) * (1024 + fraction);
}
