/** Reads numpy's .npz: a zip (stored or deflated) of .npy arrays. Little-endian floats in C order are enough here. */

import { type UnzipFileInfo, unzipSync } from "fflate";

export interface NpyArray {
  shape: number[];
  /** C order. f8 is rounded to f32. */
  values: Float32Array;
}

const maximumElements = 64 * 1024 * 1024;
const maximumBytes = maximumElements * 8 + 64 * 1024;
const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY

/** Throws an Error that says what is wrong. Entries other than the wanted arrays are not unpacked. */
export function readNpz(bytes: Uint8Array, names: readonly string[]): Map<string, NpyArray> {
  const wanted = new Set(names.map((name) => `${name}.npy`));
  const filter = (file: UnzipFileInfo): boolean => {
    if (!wanted.has(file.name)) return false;
    if (file.originalSize > maximumBytes) throw new Error(`${file.name} claims ${file.originalSize} bytes, at most ${maximumBytes} are read`);
    return true;
  };
  const arrays = new Map<string, NpyArray>();
  for (const [file, content] of Object.entries(unzip(bytes, filter))) {
    const name = file.slice(0, -".npy".length);
    try {
      arrays.set(name, readNpy(content));
    } catch (error) {
      throw new Error(`array ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return arrays;
}

function unzip(bytes: Uint8Array, filter: (file: UnzipFileInfo) => boolean): Record<string, Uint8Array> {
  try {
    return unzipSync(bytes, { filter });
  } catch (error) {
    throw new Error(`not a readable zip: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readNpy(bytes: Uint8Array): NpyArray {
  if (magic.some((byte, index) => bytes[index] !== byte)) throw new Error("not a .npy: its magic is missing");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(6);
  if (version < 1 || version > 3) throw new Error(`.npy version ${version}, expected 1 to 3`);
  const wide = version > 1;
  const headerLength = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const dataOffset = (wide ? 12 : 10) + headerLength;
  const header = new TextDecoder().decode(bytes.subarray(wide ? 12 : 10, dataOffset));

  const descr = field(header, /'descr'\s*:\s*'([^']+)'/, "descr");
  if (field(header, /'fortran_order'\s*:\s*(True|False)/, "fortran_order") === "True") {
    throw new Error("Fortran order, expected C order");
  }
  const shape = field(header, /'shape'\s*:\s*\(([^)]*)\)/, "shape")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map(Number);
  const count = shape.reduce((product, length) => product * length, 1);
  if (!Number.isSafeInteger(count) || count < 0 || count > maximumElements) {
    throw new Error(`${shape.join(" × ")} elements, at most ${maximumElements} are read`);
  }
  const reader = readers[descr];
  if (!reader) throw new Error(`dtype ${descr}, expected ${Object.keys(readers).join(", ")}`);
  const expected = count * reader.bytes;
  const actual = bytes.byteLength - dataOffset;
  if (actual !== expected) throw new Error(`${actual} bytes of data, expected ${expected} for ${descr} of shape (${shape.join(", ")})`);
  return { shape, values: Float32Array.from({ length: count }, (_, index) => reader.read(view, dataOffset + index * reader.bytes)) };
}

function field(header: string, pattern: RegExp, name: string): string {
  const value = header.match(pattern)?.[1];
  if (value === undefined) throw new Error(`its header has no ${name}`);
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
