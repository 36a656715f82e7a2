/**
 * The hub's cache layout, shared with every other client of it: `models--org--name/` with `blobs/<checksum>`, `refs/<revision>`
 * (a commit) and `snapshots/<commit>/<path>`, a link to a blob.
 */

import { copyFile, mkdir, readdir, readFile, realpath, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { getRepoFolderName } from "@huggingface/hub";
import { type Checksum, checksumNamed } from "./checksum.js";

export const commitPattern = /^[0-9a-f]{40}$/;

export class HubCache {
  readonly #root: string;
  readonly #folder: string;

  constructor(cacheDirectory: string, repository: string) {
    this.#folder = getRepoFolderName({ type: "model", name: repository });
    this.#root = join(cacheDirectory, this.#folder);
  }

  blobPath(checksum: Checksum): string {
    return join(this.#root, "blobs", checksum.hex);
  }

  /** Beside other clients' locks, under a name of our own: theirs are of another kind. */
  lockPath(checksum: Checksum): string {
    return join(dirname(this.#root), ".locks", this.#folder, `${checksum.hex}.jina-reranker`);
  }

  snapshotPath(commit: string, path: string): string {
    return join(this.#root, "snapshots", commit, path);
  }

  /** The commit a revision was when it was last asked for. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (commitPattern.test(revision)) return revision;
    const text = await readFile(join(this.#root, "refs", revision), "utf8").catch(() => "");
    return text.trim() || undefined;
  }

  async setCommit(revision: string, commit: string): Promise<void> {
    if (commitPattern.test(revision)) return;
    const path = join(this.#root, "refs", revision);
    if ((await this.commitOf(revision)) === commit) return;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.${process.pid}`, commit);
    await rename(`${path}.${process.pid}`, path);
  }

  /** Snapshots that may be meant by `revision`, best first. Some clients keep no refs: then main may be any, the newest first. */
  async snapshots(revision: string): Promise<readonly string[]> {
    const commit = await this.commitOf(revision);
    if (commit !== undefined) return [commit];
    if (revision !== "main") return [];
    const root = join(this.#root, "snapshots");
    const names = await readdir(root).catch(() => []);
    const dated = await Promise.all(names.map(async (name) => ({ name, time: (await stat(join(root, name))).mtimeMs })));
    return dated.sort((left, right) => right.time - left.time).map(({ name }) => name);
  }

  /** Makes the blob appear in the snapshot, in one step. */
  async link(checksum: Checksum, commit: string, path: string): Promise<string> {
    const target = this.snapshotPath(commit, path);
    const blob = this.blobPath(checksum);
    const unfinished = `${target}.${process.pid}`;
    await mkdir(dirname(target), { recursive: true });
    await rm(unfinished, { force: true });
    // Links need a privilege on Windows.
    await symlink(relative(dirname(target), blob), unfinished).catch(() => copyFile(blob, unfinished));
    await rename(unfinished, target);
    return target;
  }

  /** The checksum that the cache itself gives a file: the name of its blob. */
  async recordedChecksum(path: string): Promise<Checksum | undefined> {
    const blob = await realpath(path);
    return basename(dirname(blob)) === "blobs" ? checksumNamed(basename(blob)) : undefined;
  }

  /** Removes a file of a snapshot and the blob it stands for. */
  async remove(path: string): Promise<void> {
    const blob = await realpath(path);
    await rm(path, { force: true });
    await rm(blob, { force: true });
  }
}

export async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}
