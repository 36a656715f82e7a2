/**
 * One repository's folder in the cache that all clients of the hub share: `models--org--name/` with `blobs/<checksum>`,
 * `refs/<revision>` (the text of a commit) and `snapshots/<commit>/<path>` (a link to a blob). No name, whether it comes from the
 * hub or from a variable, leads out of this folder.
 */

import { link as hardLink, mkdir, readdir, readFile, realpath, rename, rm, stat, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { RerankError } from "../errors.js";
import { pathInside } from "../files/path-inside.js";
import { unfinishedPath, writeAtomically } from "../files/write-atomically.js";
import { type Checksum, checksumNamed } from "./checksum.js";

export const commitPattern = /^[0-9a-f]{40}$/;

export class HubCache {
  readonly #root: string;
  readonly #folder: string;

  constructor(cacheDirectory: string, repository: string) {
    this.#folder = ["models", ...repository.split("/")].join("--");
    this.#root = inside(cacheDirectory, this.#folder);
  }

  blobPath(checksum: Checksum): string {
    return inside(join(this.#root, "blobs"), checksum.hex);
  }

  /** In the folder of other clients' locks, under a name of our own: their locks work differently. */
  lockPath(checksum: Checksum): string {
    return inside(join(dirname(this.#root), ".locks", this.#folder), `${checksum.hex}.jina-reranker`);
  }

  snapshotPath(commit: string, path: string): string {
    return inside(inside(join(this.#root, "snapshots"), commit), path);
  }

  /** The commit that the revision named when the hub was last asked; undefined = not recorded. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (commitPattern.test(revision)) return revision;
    const text = await readFile(this.#refPath(revision), "utf8").catch(() => "");
    return commitPattern.test(text.trim()) ? text.trim() : undefined;
  }

  async setCommit(revision: string, commit: string): Promise<void> {
    if (commitPattern.test(revision)) return;
    if ((await this.commitOf(revision)) === commit) return;
    await writeAtomically(this.#refPath(revision), commit);
  }

  /**
   * The commits that `revision` may name, best first. Some clients write no refs: then main may be any snapshot, newest first.
   */
  async snapshots(revision: string): Promise<readonly string[]> {
    const commit = await this.commitOf(revision);
    if (commit !== undefined) return [commit];
    if (revision !== "main") return [];
    const root = join(this.#root, "snapshots");
    const names = (await readdir(root).catch(() => [])).filter((name) => commitPattern.test(name));
    const dated = names.map(async (name) => {
      const entry = await stat(join(root, name)).catch(() => undefined);
      return entry ? [{ name, time: entry.mtimeMs }] : [];
    });
    const there = (await Promise.all(dated)).flat();
    return there.sort((left, right) => right.time - left.time).map(({ name }) => name);
  }

  /**
   * Makes the blob appear in the snapshot in one step: as a symbolic link, else a hard link, else by moving it. Windows allows
   * symbolic links only with a privilege, and FAT has no links. A copy would take a gigabyte twice.
   */
  async link(checksum: Checksum, commit: string, path: string): Promise<string> {
    const target = this.snapshotPath(commit, path);
    const blob = this.blobPath(checksum);
    await mkdir(dirname(target), { recursive: true });
    await this.#requireOwn(dirname(target));
    const unfinished = unfinishedPath(target);
    try {
      await symlink(relative(dirname(target), blob), unfinished).catch(() => hardLink(blob, unfinished));
      await rename(unfinished, target);
    } catch {
      await rm(unfinished, { force: true });
      await rename(blob, target);
    }
    return target;
  }

  /** The checksum in the name of the file's blob; undefined = the file is not linked to a blob. */
  async recordedChecksum(path: string): Promise<Checksum | undefined> {
    const blob = await realpath(path);
    return basename(dirname(blob)) === "blobs" ? checksumNamed(basename(blob)) : undefined;
  }

  /** Removes a file of a snapshot and its blob. Of a link that leads out of the cache, removes the link and keeps its target. */
  async remove(path: string): Promise<void> {
    const target = await realpath(path);
    const blobs = join(this.#root, "blobs");
    if (dirname(path) !== blobs) await this.#requireOwn(dirname(path));
    await rm(path, { force: true });
    const blob = pathInside(await realpath(blobs).catch(() => blobs), target);
    if (blob !== undefined) await rm(blob, { force: true });
  }

  #refPath(revision: string): string {
    return inside(join(this.#root, "refs"), revision);
  }

  /** Throws when the folder is a link that leads out of the cache: nothing may be written or removed there. */
  async #requireOwn(folder: string): Promise<void> {
    const real = await realpath(folder);
    if (pathInside(await realpath(this.#root), real) !== undefined) return;
    const message = `${folder} is a link that leads out of the cache, to ${real}; remove the link, or choose another cache with HF_HUB_CACHE`;
    throw new RerankError("cache_not_writable", message);
  }
}

function inside(folder: string, name: string): string {
  const path = pathInside(folder, name);
  if (path !== undefined) return path;
  throw new RerankError(
    "invalid_option",
    `${JSON.stringify(name)} does not name a file in ${folder}; check MODEL_ID, MODEL_FILE and MODEL_REVISION`,
  );
}

export async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}
