/**
 * Files that the program writes for itself appear whole or not at all, also when the machine stops in between: written
 * under a random name in the same folder, flushed to the disk, renamed. The name is not the process's id, which in
 * containers that share a disk is the same in all of them.
 */

import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

const unfinishedPattern = /\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.unfinished$/;

/** Where a file is written before it is whole; each call names another one. */
export function unfinishedPath(path: string): string {
  return `${path}.${randomUUID()}.unfinished`;
}

/** Replaces what is at `path`. Creates the folder. A failure leaves what was there, and nothing beside it. */
export async function writeAtomically(path: string, content: string | Uint8Array): Promise<void> {
  await produceAtomically(path, (unfinished) => writeFile(unfinished, content));
}

/** The same for a file that something else writes: `produce` gets the path to write to. */
export async function produceAtomically(path: string, produce: (unfinished: string) => Promise<unknown>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const unfinished = unfinishedPath(path);
  try {
    await produce(unfinished);
    await flush(unfinished);
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  await flush(dirname(path)).catch(() => {
    // Some systems do not flush folders; the file itself is on the disk.
  });
}

/** Removes what runs that were killed have left in a folder, once it was not touched for `ageMs`. */
export async function sweepUnfinished(directory: string, ageMs: number): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter((name) => unfinishedPattern.test(name))) {
    const path = join(directory, name);
    const entry = await stat(path).catch(() => undefined);
    if (entry && Date.now() - entry.mtimeMs > ageMs) await rm(path, { recursive: true, force: true });
  }
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
