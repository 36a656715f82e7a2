/** The checksums that the hub names content by, and the comparison of files with them. */

import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { RerankError } from "../errors.js";

/** Large files (LFS) have the sha256 of their content. Small ones are git blobs: sha1 of git's header and the content. */
export interface Checksum {
  readonly algorithm: "sha256" | "git-sha1";
  readonly hex: string;
}

export interface Expected {
  readonly size: number;
  readonly checksum: Checksum;
}

/** Starts a hash and feeds it git's header where it needs one. The caller feeds it the content. */
export function startHash({ size, checksum }: Expected): Hash {
  return checksum.algorithm === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

/** Reads the name of a blob as its checksum; undefined = it is none. */
export function checksumNamed(name: string): Checksum | undefined {
  if (/^[0-9a-f]{64}$/.test(name)) return { algorithm: "sha256", hex: name };
  if (/^[0-9a-f]{40}$/.test(name)) return { algorithm: "git-sha1", hex: name };
  return undefined;
}

/** The error for a file with the wrong checksum or size, in one line; `what` says which file. */
export function mismatch(what: string, expected: Expected, actual: { size: number; hex: string }): RerankError {
  const { algorithm, hex } = expected.checksum;
  const message =
    actual.size === expected.size
      ? `${what}: ${algorithm} is ${actual.hex}, expected ${hex}`
      : `${what}: ${actual.size} bytes, ${algorithm} ${actual.hex}; expected ${expected.size} bytes, ${hex}`;
  return new RerankError("checksum_mismatch", message);
}

/** Hashes a whole file. `onBytes` gets the number of bytes read since its last call. */
export async function hashFile(path: string, expected: Expected, onBytes: (bytes: number) => void): Promise<Hash> {
  const hash = startHash(expected);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk);
    onBytes(chunk.length);
  }
  return hash;
}

/** undefined = size and checksum are as expected; otherwise an error with both checksums. */
export async function fileMismatch(
  path: string,
  expected: Expected,
  onBytes: (bytes: number) => void = () => {},
): Promise<RerankError | undefined> {
  const { size } = await stat(path);
  // A git blob's header holds its size. The error reports the checksum of the file as it is, so its real size counts.
  const hex = (await hashFile(path, { ...expected, size }, onBytes)).digest("hex");
  return size === expected.size && hex === expected.checksum.hex ? undefined : mismatch(path, expected, { size, hex });
}
