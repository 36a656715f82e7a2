/** A model's files as the hub's cache has them, without asking the hub. */

import { stat } from "node:fs/promises";
import { posix } from "node:path";
import type { Expected } from "./checksum.js";
import { type HubCache, isFile } from "./hub-cache.js";
import type { ModelReference } from "./hub-client.js";
import { pinnedFile } from "./official.js";

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
}

/** Where the score head may be: beside the GGUF, or at the top. */
export function headCandidates({ file }: ModelReference): readonly string[] {
  return [...new Set([posix.join(posix.dirname(file), headName), headName])];
}

/** undefined = not all of it is there. */
export async function cachedModel(
  cache: HubCache,
  reference: ModelReference,
  withHead: boolean,
): Promise<CachedModel | undefined> {
  for (const commit of await cache.snapshots(reference.revision)) {
    const model = await cachedFile(cache, reference.repository, commit, [reference.file]);
    const head = withHead ? await cachedFile(cache, reference.repository, commit, headCandidates(reference)) : undefined;
    if (model && (head || !withHead)) return { commit, model, head };
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
