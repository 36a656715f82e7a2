/** Checksums as the hub names content by them, and files held against them. */

import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { RerankError } from "../errors.js";

/** Large files: sha256 of the content. Small ones are kept in git and named as git does: sha1 of a header and the content. */
export interface Checksum {
  readonly algorithm: "sha256" | "git-sha1";
  readonly hex: string;
}

export interface Expected {
  readonly size: number;
  readonly checksum: Checksum;
}

/** A hash that the content alone has to be fed to. */
export function startHash({ size, checksum }: Expected): Hash {
  return checksum.algorithm === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

/** The checksum a name stands for; undefined = none. */
export function checksumNamed(name: string): Checksum | undefined {
  if (/^[0-9a-f]{64}$/.test(name)) return { algorithm: "sha256", hex: name };
  if (/^[0-9a-f]{40}$/.test(name)) return { algorithm: "git-sha1", hex: name };
  return undefined;
}

/** What came, and what was expected, in one line; `what` says which file. */
export function mismatch(what: string, expected: Expected, actual: { size: number; hex: string }): RerankError {
  const { algorithm, hex } = expected.checksum;
  const message =
    actual.size === expected.size
      ? `${what}: ${algorithm} is ${actual.hex}, expected ${hex}`
      : `${what}: ${actual.size} bytes, ${algorithm} ${actual.hex}; expected ${expected.size} bytes, ${hex}`;
  return new RerankError("checksum_mismatch", message);
}

/** Reads the file to its end; `onBytes` is told how many bytes were read since the last call. */
export async function hashFile(path: string, expected: Expected, onBytes: (bytes: number) => void): Promise<Hash> {
  const hash = startHash(expected);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk);
    onBytes(chunk.length);
  }
  return hash;
}

/** undefined = it is what was expected; otherwise the error that says both sums. */
export async function fileMismatch(
  path: string,
  expected: Expected,
  onBytes: (bytes: number) => void = () => {},
): Promise<RerankError | undefined> {
  const { size } = await stat(path);
  // The hash of a git blob begins with its size, and the sum in the report is that of the file as it is.
  const hex = (await hashFile(path, { ...expected, size }, onBytes)).digest("hex");
  return size === expected.size && hex === expected.checksum.hex ? undefined : mismatch(path, expected, { size, hex });
}
