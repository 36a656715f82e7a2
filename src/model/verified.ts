/**
 * Remembers which files were verified, so that not every start reads gigabytes. A file counts as verified while its path, size,
 * times and inode are the same as when it was verified.
 */

import { readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { RerankError } from "../errors.js";
import { cacheDirectory } from "../files/cache-folder.js";
import { writeAtomically } from "../files/write-atomically.js";
import { type Expected, fileMismatch } from "./checksum.js";

/** Like `fileMismatch`, but does not read a file that counts as verified. */
export async function unverified(
  path: string,
  expected: Expected,
  onBytes: (bytes: number) => void,
): Promise<RerankError | undefined> {
  if (await isKnown(path, expected)) return undefined;
  const error = await fileMismatch(path, expected, onBytes);
  if (!error) await remember(path, expected);
  return error;
}

export async function remember(path: string, expected: Expected): Promise<void> {
  try {
    await writeAtomically(recordPath(expected), await identity(path));
  } catch {
    // This only saves time. Without the record the next start reads the file again.
  }
}

async function isKnown(path: string, expected: Expected): Promise<boolean> {
  let recorded: string;
  try {
    recorded = await readFile(recordPath(expected), "utf8");
  } catch {
    return false;
  }
  return recorded === (await identity(path));
}

function recordPath({ checksum }: Expected): string {
  return join(cacheDirectory(), "verified", `${checksum.algorithm}-${checksum.hex}.json`);
}

/** At least one of these values changes when a file is replaced or written to. */
export async function identity(path: string): Promise<string> {
  const real = await realpath(path);
  const { size, mtimeMs, ctimeMs, ino } = await stat(real);
  return JSON.stringify({ path: real, size, mtimeMs, ctimeMs, ino });
}
