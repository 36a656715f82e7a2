/**
 * Files and folders that the program writes for itself appear complete or not at all, even if the machine stops meanwhile: they
 * are written under a random name in the same folder, flushed to the disk, then renamed. A process id would not do as the name:
 * containers that share a disk often have the same ids.
 */

import { randomUUID } from "node:crypto";
import { lstat, mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

const uuid = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
/** Native code adds `.partial`. The other patterns are names that version 0.1.0 left. */
const unfinishedPattern = new RegExp(
  `\\.${uuid}\\.unfinished(\\.partial)?$` + `|^probe-${uuid}$|^\\.demo-[0-9a-f]+\\.${uuid}$|-(f16|bf16|q8_0)\\.gguf\\.partial$`,
);
/** A file that was not touched for an hour has no writer: writers touch their files far more often. */
const abandonedMs = 3_600_000;

/** A temporary path for a file or folder that is being written. Each call returns another one. */
export function unfinishedPath(path: string): string {
  return `${path}.${randomUUID()}.unfinished`;
}

/** Replaces the file at `path` and creates its folder. On failure the old file stays, and nothing is left beside it. */
export async function writeAtomically(path: string, content: string | Uint8Array): Promise<void> {
  await produceAtomically(path, (unfinished) => writeFile(unfinished, content));
}

/** The same for a file or folder that `produce` writes to the path it gets. A folder does not replace an existing one. */
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
    // The first error is the one to report, not one of this clean-up.
    await rm(unfinished, { recursive: true, force: true }).catch(() => {});
    throw error;
  }
}

/** Removes temporary files and folders of killed runs that were not touched for an hour. */
export async function sweepUnfinished(directory: string, untouchedMs = abandonedMs): Promise<void> {
  await sweep(directory, untouchedMs, () => true);
}

/** Removes the temporary files of one path at once. Call it with the path's lock held, so that no writer is left. */
export async function sweepUnfinishedOf(path: string): Promise<void> {
  await sweep(dirname(path), undefined, (name) => name.startsWith(`${basename(path)}.`));
}

async function sweep(directory: string, untouchedMs: number | undefined, isMeant: (name: string) => boolean): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter((name) => unfinishedPattern.test(name) && isMeant(name))) {
    const path = join(directory, name);
    if (untouchedMs !== undefined) {
      const entry = await stat(path).catch(() => undefined);
      if (!entry || Date.now() - entry.mtimeMs < untouchedMs) continue;
    }
    // This only saves space: a read-only cache works too.
    await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

/** Windows flushes only files that are open for writing. Elsewhere a file that may only be read can be flushed too. */
const flushable = process.platform === "win32" ? "r+" : "r";

/** Flushes a file, or a folder with everything in it, to the disk. Skips links. */
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

/** Flushes a folder's list of entries. Failures are ignored: not every system can do it, and the files themselves are on disk. */
async function flushFolder(path: string): Promise<void> {
  const handle = await open(path, "r").catch(() => undefined);
  try {
    await handle?.sync().catch(() => {});
  } finally {
    await handle?.close();
  }
}
