/** A model's files as the hub's cache has them, without asking the hub. */

import { stat } from "node:fs/promises";
import { posix } from "node:path";
import type { Expected } from "./checksum.js";
import { HubCache, isFile } from "./hub-cache.js";
import type { ModelReference, RepositoryReference } from "./hub-client.js";
import { officialRepository, pinnedFile } from "./official.js";

export const headName = "mlp_weights.npz";

export interface CachedFile {
  /** In the repository. */
  readonly name: string;
  readonly path: string;
  /** The published checksum, else the one the cache names it by; undefined = neither is there. */
  readonly expected: Expected | undefined;
}

export interface CachedModel {
  readonly commit: string;
  readonly model: CachedFile;
  /** undefined = it was not asked for. */
  readonly head: CachedFile | undefined;
  /** Whether the head is the official one for want of its own. */
  readonly borrowed: boolean;
}

/** Where the score head may be in the model's own repository: beside the GGUF, or at the top. None when another one is named. */
export function headCandidates({ file, repository, headRepository }: ModelReference): readonly string[] {
  if (headRepository !== undefined && headRepository !== repository) return [];
  return [...new Set([posix.join(posix.dirname(file), headName), headName])];
}

/** Where it is taken from when it is not there. */
export function otherHead({ headRepository }: ModelReference): RepositoryReference {
  return { repository: headRepository ?? officialRepository, revision: "main" };
}

/** undefined = not all of it is there. */
export async function cachedModel(
  cacheDirectory: string,
  reference: ModelReference,
  withHead: boolean,
): Promise<CachedModel | undefined> {
  const cache = new HubCache(cacheDirectory, reference.repository);
  for (const commit of await cache.snapshots(reference.revision)) {
    const model = await cachedFile(cache, reference.repository, commit, [reference.file]);
    if (!model) continue;
    if (!withHead) return { commit, model, head: undefined, borrowed: false };
    const own = await cachedFile(cache, reference.repository, commit, headCandidates(reference));
    const head = own ?? (await cachedOtherHead(cacheDirectory, reference));
    if (head) return { commit, model, head, borrowed: !own && reference.headRepository === undefined };
  }
  return undefined;
}

async function cachedOtherHead(cacheDirectory: string, reference: ModelReference): Promise<CachedFile | undefined> {
  const { repository, revision } = otherHead(reference);
  const cache = new HubCache(cacheDirectory, repository);
  for (const commit of await cache.snapshots(revision)) {
    const head = await cachedFile(cache, repository, commit, [headName]);
    if (head) return head;
  }
  return undefined;
}

async function cachedFile(
  cache: HubCache,
  repository: string,
  commit: string,
  names: readonly string[],
): Promise<CachedFile | undefined> {
  for (const name of names) {
    const path = cache.snapshotPath(commit, name);
    if (!(await isFile(path))) continue;
    const checksum = await cache.recordedChecksum(path);
    const recorded = checksum && { checksum, size: (await stat(path)).size };
    return { name, path, expected: pinnedFile(repository, name) ?? recorded };
  }
  return undefined;
}
