/** Reading the score head: the forms of .npz that numpy writes, and the ways in which a file can be wrong. */

import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RerankError } from "../../src/errors.js";
import { toHalf } from "../../src/gguf/encode.js";
import { readScoreHead } from "../../src/model/head.js";
import { halfToNumber } from "../../src/model/npz.js";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "jina-reranker-npz-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

type Dtype = "<f2" | "<f4" | "<f8" | ">f4" | "<i4";
interface ArraySpec {
  shape: number[];
  values: number[];
  dtype?: Dtype;
  fortran?: boolean;
  version?: number;
  missingBytes?: number;
}

/** An .npy as numpy writes it. */
function npy({ shape, values, dtype = "<f4", fortran = false, version = 1, missingBytes = 0 }: ArraySpec): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const header = `{'descr': '${dtype}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${tuple}, }`.padEnd(117) + "\n";
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(header.length);
  else length.writeUInt32LE(header.length);
  const data =
    dtype === "<f8"
      ? new Uint8Array(Float64Array.from(values).buffer)
      : dtype === "<f2"
        ? new Uint8Array(toHalf(Float32Array.from(values)).buffer)
        : new Uint8Array(Float32Array.from(values).buffer);
  const magic = Uint8Array.of(0x93, ...Buffer.from("NUMPY"), version, 0);
  return Buffer.concat([magic, length, Buffer.from(header), data.subarray(0, data.length - missingBytes)]);
}

const good: Record<string, ArraySpec> = {
  W1: { shape: [2, 2], values: [1, 2, 3, 4] },
  b1: { shape: [2], values: [0.5, -0.5] },
  W2: { shape: [2, 1], values: [1, -1] },
  b2: { shape: [1], values: [0.25] },
  logit_bias: { shape: [1], values: [2.5] },
};

async function write(arrays: Record<string, ArraySpec>, level: 0 | 6 = 6): Promise<string> {
  const path = join(directory, "head.npz");
  const entries = Object.entries(arrays).map(([name, spec]) => [`${name}.npy`, npy(spec)]);
  await writeFile(path, zipSync(Object.fromEntries(entries), { level }));
  return path;
}

async function failure(path: string): Promise<RerankError> {
  const error: unknown = await readScoreHead(path).catch((reason: unknown) => reason);
  if (!(error instanceof RerankError)) throw new Error(`expected a RerankError, got ${JSON.stringify(error)}`);
  return error;
}

const expected = {
  w1: Float32Array.of(1, 2, 3, 4),
  b1: Float32Array.of(0.5, -0.5),
  w2: Float32Array.of(1, -1),
  b2: 0.25,
  logitBias: 2.5,
};

describe("a score head", () => {
  it("is read from stored and from deflated entries", async () => {
    expect(await readScoreHead(await write(good, 0))).toEqual(expected);
    expect(await readScoreHead(await write(good, 6))).toEqual(expected);
  });

  it.each(["<f2", "<f4", "<f8"] as const)("is read from dtype %s", async (dtype) => {
    const arrays = Object.fromEntries(Object.entries(good).map(([name, spec]) => [name, { ...spec, dtype }]));
    expect(await readScoreHead(await write(arrays))).toEqual(expected);
  });

  it.each([1, 2, 3])("is read from .npy version %i", async (version) => {
    const arrays = Object.fromEntries(Object.entries(good).map(([name, spec]) => [name, { ...spec, version }]));
    expect(await readScoreHead(await write(arrays))).toEqual(expected);
  });

  it("may have a flat W2, scalars of shape () and additional arrays", async () => {
    const arrays = {
      ...good,
      W2: { shape: [2], values: [1, -1] },
      b2: { shape: [], values: [0.25] },
      extra: { shape: [1], values: [1] },
    };
    expect(await readScoreHead(await write(arrays))).toEqual(expected);
  });

  const wrong: [string, Record<string, ArraySpec | undefined>, RegExp][] = [
    ["without an array", { W2: undefined }, /no array W2/],
    ["whose W1 is not square", { W1: { shape: [2, 1], values: [1, 2] } }, /W1 has shape \(2, 1\), expected \(n, n\)/],
    ["whose b1 is of another length", { b1: { shape: [3], values: [1, 2, 3] } }, /b1 has shape \(3,\), expected \(2,\)/],
    ["in Fortran order", { W1: { ...good.W1, fortran: true } as ArraySpec }, /W1: Fortran order, expected C order/],
    ["in big-endian order", { b1: { ...good.b1, dtype: ">f4" } as ArraySpec }, /b1: dtype >f4, expected <f2, <f4, <f8/],
    ["of whole numbers", { b1: { ...good.b1, dtype: "<i4" } as ArraySpec }, /b1: dtype <i4/],
    ["of an unknown version", { b1: { ...good.b1, version: 9 } as ArraySpec }, /version 9/],
    ["that is cut short", { W1: { ...good.W1, missingBytes: 4 } as ArraySpec }, /W1: 12 bytes of data, expected 16/],
    ["that claims to be enormous", { W1: { shape: [100_000, 100_000], values: [] } }, /at most/],
    ["that holds NaN", { b1: { shape: [2], values: [Number.NaN, 0] } }, /b1 holds NaN at 0, expected finite/],
    ["that holds an infinity", { logit_bias: { shape: [1], values: [Number.POSITIVE_INFINITY] } }, /logit_bias/],
    ["that is empty", { W1: { shape: [0, 0], values: [] } }, /W1 has shape \(0, 0\)/],
  ];
  it.each(wrong)("%s is refused", async (_, change, message) => {
    const arrays = Object.entries({ ...good, ...change }).flatMap(([name, spec]) => (spec ? [[name, spec] as const] : []));
    const error = await failure(await write(Object.fromEntries(arrays)));
    expect(error.code).toBe("head_invalid");
    expect(error.message).toMatch(message);
    expect(error.message).toContain("head.npz");
  });

  it("that is no zip, or a truncated one, is refused", async () => {
    const path = join(directory, "broken.npz");
    await writeFile(path, "not a zip");
    expect((await failure(path)).code).toBe("head_invalid");
    const whole = zipSync({ "W1.npy": npy(good.W1 as ArraySpec) });
    await writeFile(path, whole.subarray(0, whole.length - 30));
    expect((await failure(path)).code).toBe("head_invalid");
  });

  it("that is a folder, or larger than any head, is refused without being read", async () => {
    expect((await failure(directory)).code).toBe("head_invalid");
    const path = await write(good);
    await truncate(path, 3 * 2 ** 30); // sparse: takes no room
    const error = await failure(path);
    expect(error.code).toBe("head_invalid");
    expect(error.message).toMatch(/3221225472 bytes, expected at most 536936448/);
  });

  it("whose zip directory claims gigabytes, too few bytes or a name twice is refused", async () => {
    const changed = async (change: (zip: Buffer) => void): Promise<string> => {
      const path = await write({ ...good, XX: { shape: [2], values: [0, 0] } });
      const zip = await readFile(path);
      change(zip);
      await writeFile(path, zip);
      return (await failure(path)).message;
    };
    const unpackedSize = (zip: Buffer) => zip.indexOf("PK\x01\x02") + 24; // of the directory's first entry, W1
    expect(await changed((zip) => zip.writeUInt32LE(0xffff_fff0, unpackedSize(zip)))).toMatch(
      /claim 4294967280 bytes, expected at most/,
    );
    expect(await changed((zip) => zip.writeUInt32LE(100, unpackedSize(zip)))).toContain("array W1");
    expect(await changed((zip) => zip.write("b1", zip.lastIndexOf("XX.npy")))).toContain("b1.npy occurs twice");
  });

  it("whose f8 numbers do not fit f32 is refused", async () => {
    const error = await failure(await write({ ...good, b2: { shape: [1], values: [1e300], dtype: "<f8" } }));
    expect(error.message).toContain("array b2 holds Infinity at 0");
  });

  it("that does not exist is an error with its path", async () => {
    const error = await failure(join(directory, "none.npz"));
    expect(error.code).toBe("model_not_found");
    expect(error.message).toContain("none.npz: no such file");
  });
});

describe("float16", () => {
  it("survives writing and reading for every finite value", () => {
    for (let half = 0; half < 0x10000; half++) {
      const value = halfToNumber(half);
      if (!Number.isFinite(value)) continue;
      expect(toHalf(Float32Array.of(value))[0], `0x${half.toString(16)}`).toBe(half);
    }
  });

  it("rounds to the nearest value, and values beyond its range to infinity", () => {
    expect(halfToNumber(toHalf(Float32Array.of(1.0004))[0] as number)).toBe(1);
    expect(halfToNumber(toHalf(Float32Array.of(1.0006))[0] as number)).toBe(1 + 1 / 1024);
    expect(halfToNumber(toHalf(Float32Array.of(1e6))[0] as number)).toBe(Number.POSITIVE_INFINITY);
    expect(halfToNumber(toHalf(Float32Array.of(-65504))[0] as number)).toBe(-65504);
  });
});
