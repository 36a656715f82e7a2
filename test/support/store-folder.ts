/** The folder of a document store: what is in it. */

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** Paths of the files of document states, of all identities, in order. */
export async function stateFiles(folder: string): Promise<string[]> {
  return (await filesIn(folder)).filter((path) => path.endsWith(".state"));
}

export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

export async function bytesOf(paths: readonly string[]): Promise<number> {
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
