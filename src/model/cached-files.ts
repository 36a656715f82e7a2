/** Finds a model's files in the hub's cache. Never asks the hub. */

import { stat } from "node:fs/promises";
import { posix } from "node:path";
import type { Expected } from "./checksum.js";
import { HubCache, isFile } from "./hub-cache.js";
import type { ModelReference, RepositoryReference } from "./hub-client.js";
import { officialRepository, pinnedFile } from "./official.js";

export const headName = "mlp_weights.npz";

export interface CachedFile {
  /** Path inside the repository. */
  readonly name: string;
  readonly path: string;
  /** The pinned checksum, else the one in the name of the cache's blob; undefined = neither is known. */
  readonly expected: Expected | undefined;
}

export interface CachedModel {
  readonly commit: string;
  readonly model: CachedFile;
  /** undefined = the caller did not ask for it. */
  readonly head: CachedFile | undefined;
  /** True when the repository has no score head and the official one takes its place. */
  readonly borrowed: boolean;
}

/** Paths of a score head in the model's own repository: beside the GGUF, or at the top. Empty when HEAD_ID names another one. */
export function headCandidates({ file, repository, headRepository }: ModelReference): readonly string[] {
  if (headRepository !== undefined && headRepository !== repository) return [];
  return [...new Set([posix.join(posix.dirname(file), headName), headName])];
}

/** Where the score head comes from when the model's own repository has none: HEAD_ID, else the official repository. */
export function otherHead({ headRepository }: ModelReference): RepositoryReference {
  return { repository: headRepository ?? officialRepository, revision: "main" };
}

/** undefined = at least one file is missing. */
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
