/**
 * The hub's cache layout, shared with every other client of it: `models--org--name/` with `blobs/<checksum>`, `refs/<revision>`
 * (a commit) and `snapshots/<commit>/<path>`, a link to a blob. What the hub or a variable calls a file never leads out of it.
 */

import { link as hardLink, mkdir, readdir, readFile, realpath, rename, rm, stat, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { getRepoFolderName } from "@huggingface/hub";
import { RerankError } from "../errors.js";
import { pathInside } from "../files/path-inside.js";
import { produceAtomically, writeAtomically } from "../files/write-atomically.js";
import { type Checksum, checksumNamed } from "./checksum.js";

export const commitPattern = /^[0-9a-f]{40}$/;

export class HubCache {
  readonly #root: string;
  readonly #folder: string;

  constructor(cacheDirectory: string, repository: string) {
    this.#folder = getRepoFolderName({ type: "model", name: repository });
    this.#root = inside(cacheDirectory, this.#folder);
  }

  blobPath(checksum: Checksum): string {
    return inside(join(this.#root, "blobs"), checksum.hex);
  }

  /** Beside other clients' locks, under a name of our own: theirs are of another kind. */
  lockPath(checksum: Checksum): string {
    return inside(join(dirname(this.#root), ".locks", this.#folder), `${checksum.hex}.jina-reranker`);
  }

  snapshotPath(commit: string, path: string): string {
    return inside(inside(join(this.#root, "snapshots"), commit), path);
  }

  /** The commit a revision was when it was last asked for. */
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

  /** Snapshots that may be meant by `revision`, best first. Some clients keep no refs: then main may be any, the newest first. */
  async snapshots(revision: string): Promise<readonly string[]> {
    const commit = await this.commitOf(revision);
    if (commit !== undefined) return [commit];
    if (revision !== "main") return [];
    const root = join(this.#root, "snapshots");
    const names = (await readdir(root).catch(() => [])).filter((name) => commitPattern.test(name));
    const dated = await Promise.all(names.map(async (name) => ({ name, time: (await stat(join(root, name))).mtimeMs })));
    return dated.sort((left, right) => right.time - left.time).map(({ name }) => name);
  }

  /**
   * Makes the blob appear in the snapshot, in one step. On Windows symbolic links need a privilege, and FAT has no links at all:
   * there the blob is moved, as a copy of a gigabyte would need its room twice.
   */
  async link(checksum: Checksum, commit: string, path: string): Promise<string> {
    const target = this.snapshotPath(commit, path);
    const blob = this.blobPath(checksum);
    await mkdir(dirname(target), { recursive: true });
    await this.#requireOwn(dirname(target));
    const relativeBlob = relative(dirname(target), blob);
    try {
      await produceAtomically(target, (unfinished) => symlink(relativeBlob, unfinished).catch(() => hardLink(blob, unfinished)));
    } catch {
      await rename(blob, target);
    }
    return target;
  }

  /** The checksum that the cache itself gives a file: the name of its blob. */
  async recordedChecksum(path: string): Promise<Checksum | undefined> {
    const blob = await realpath(path);
    return basename(dirname(blob)) === "blobs" ? checksumNamed(basename(blob)) : undefined;
  }

  /** Removes a file of a snapshot and the blob it stands for. A link that leads out of the cache goes, what it leads to stays. */
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

  /** Throws when a folder of the cache is a link to somewhere else: nothing is written or removed there. */
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
