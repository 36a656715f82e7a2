/**
 * Files and folders that the program writes for itself appear whole or not at all, also when the machine stops in between:
 * written under a random name in the same folder, flushed to the disk, renamed. The name is not the process's id, which in
 * containers that share a disk is the same in all of them.
 */

import { randomUUID } from "node:crypto";
import { lstat, mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

const uuid = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
/** Native code adds an ending of its own. Then the names that 0.1.0 left. */
const unfinishedPattern = new RegExp(
  `\\.${uuid}\\.unfinished(\\.partial)?$` + `|^probe-${uuid}$|^\\.demo-[0-9a-f]+\\.${uuid}$|-(f16|bf16|q8_0)\\.gguf\\.partial$`,
);
/** Whoever writes touches what it writes far more often. */
const abandonedMs = 3_600_000;

/** Where a file or folder is written before it is whole; each call names another one. */
export function unfinishedPath(path: string): string {
  return `${path}.${randomUUID()}.unfinished`;
}

/** Replaces what is at `path`. Creates the folder. A failure leaves what was there, and nothing beside it. */
export async function writeAtomically(path: string, content: string | Uint8Array): Promise<void> {
  await produceAtomically(path, (unfinished) => writeFile(unfinished, content));
}

/** The same for a file or a folder that something else writes: `produce` gets the path to write to. A folder replaces none. */
export async function produceAtomically<Value>(path: string, produce: (unfinished: string) => Promise<Value>): Promise<Value> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true });
  const unfinished = unfinishedPath(path);
  try {
    const value = await produce(unfinished);
    await flush(unfinished);
    await rename(unfinished, path);
    await flushFolder(directory);
    return value;
  } catch (error) {
    // What went wrong first is what is told.
    await rm(unfinished, { recursive: true, force: true }).catch(() => {});
    throw error;
  }
}

/** Removes what runs that were killed have left in a folder, once it was not touched for an hour. */
export async function sweepUnfinished(directory: string, untouchedMs = abandonedMs): Promise<void> {
  await sweep(directory, untouchedMs, () => true);
}

/** The same for one path of which nobody else is writing, as under its lock: nothing unfinished of it is anybody's. */
export async function sweepUnfinishedOf(path: string): Promise<void> {
  await sweep(dirname(path), 0, (name) => name.startsWith(`${basename(path)}.`));
}

async function sweep(directory: string, untouchedMs: number, isMeant: (name: string) => boolean): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter((name) => unfinishedPattern.test(name) && isMeant(name))) {
    const path = join(directory, name);
    const entry = await stat(path).catch(() => undefined);
    if (!entry || Date.now() - entry.mtimeMs < untouchedMs) continue;
    // Only tidying: a cache that may be read and not written serves as well.
    await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

/** Windows flushes only what is open for writing; elsewhere a file need not be this user's. */
const flushable = process.platform === "win32" ? "r+" : "r";

/** To the disk; of a folder all that is in it, of a link nothing. */
async function flush(path: string): Promise<void> {
  const entry = await lstat(path);
  if (entry.isSymbolicLink()) return;
  if (entry.isDirectory()) {
    for (const name of await readdir(path)) await flush(join(path, name));
    return flushFolder(path);
  }
  const handle = await open(path, flushable);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A folder's entries, where the system can: the files themselves are on the disk. */
async function flushFolder(path: string): Promise<void> {
  const handle = await open(path, "r").catch(() => undefined);
  try {
    await handle?.sync().catch(() => {});
  } finally {
    await handle?.close();
  }
}
