/**
 * From MODEL_ID, MODEL_FILE and MODEL_REVISION to a GGUF and its score head on this disk: found in the hub's cache, or fetched
 * into it. What it returns was verified.
 */

import { stat } from "node:fs/promises";
import { RerankError } from "../errors.js";
import { cachedModel, headCandidates, headName } from "./cached-files.js";
import { download, partialPath } from "./download.js";
import { commitPattern, HubCache, isFile } from "./hub-cache.js";
import { HubClient, type ModelReference, type RemoteFile, type Revision } from "./hub-client.js";
import type { HubEnvironment } from "./hub-environment.js";
import { diskFailure } from "./hub-failures.js";
import { withLock } from "./lock.js";
import { licenceNotice } from "./official.js";
import { networkPatience, type Patience } from "./retry.js";
import { type Transfer, TransferMeter } from "./transfer.js";
import { remember, unverified } from "./verified.js";

export interface FetchedModel {
  readonly modelPath: string;
  /** undefined = it was not asked for. */
  readonly headPath: string | undefined;
  readonly commit: string;
}

export interface FetchOptions {
  readonly patience?: Patience;
  readonly signal?: AbortSignal;
  /** False when the score head is somewhere else. */
  readonly withHead: boolean;
  readonly onTransfer: (transfer: Transfer) => void;
  /** Things to know, each in one line: the licence, what is tried again, that a wrong file was removed. */
  readonly onNotice: (notice: string) => void;
}

export async function fetchModel(
  environment: HubEnvironment,
  reference: ModelReference,
  options: FetchOptions,
): Promise<FetchedModel> {
  const cache = new HubCache(environment.cacheDirectory, reference.repository);
  if (environment.offline) {
    const found = await fromCache(cache, reference, options);
    if (found) return found;
    throw notCached(environment, reference);
  }
  // A commit never changes: with its files here there is nothing to ask. Wrong ones are fetched again below.
  if (commitPattern.test(reference.revision)) {
    const found = await fromCache(cache, reference, options).catch(() => undefined);
    if (found) return found;
  }
  await using client = new HubClient(environment, reference, { patience: networkPatience, ...options });
  let revision: Revision;
  try {
    revision = await client.revision();
  } catch (error) {
    // What is in the cache was verified against what the hub said then; a hub that is away now is no reason not to start.
    const away = error instanceof RerankError && (error.code === "hub_unreachable" || error.code === "hub_unavailable");
    const found = away ? await fromCache(cache, reference, options) : undefined;
    if (!found) throw error;
    options.onNotice(`${error instanceof Error ? error.message : String(error)}; using the files in the cache`);
    return found;
  }
  const paths = wanted(reference, options.withHead, revision.paths);
  const files = await client.files(revision, paths);
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const meter = new TransferMeter(total, options.onTransfer);
  const fetching = { ...{ cache, client, meter, commit: revision.commit }, ...options };
  const say = once(() => options.onNotice(licenceNotice(reference.repository, environment.endpoint)));
  const ready: string[] = [];
  // The score head first: what is wrong with the repository shows before a gigabyte came.
  for (const file of [...files].reverse()) {
    ready.unshift(await settle(file, fetching, say));
    meter.finish(file.size);
  }
  // Needed offline only, and a cache with all the files may be one that is not ours to write to.
  await cache.setCommit(reference.revision, revision.commit).catch(() => {});
  const [modelPath = "", headPath] = ready;
  return { modelPath, headPath, commit: revision.commit };
}

/** The paths in the repository. */
function wanted(reference: ModelReference, withHead: boolean, present: readonly string[]): readonly string[] {
  if (!withHead) return [reference.file];
  const head = headCandidates(reference).find((candidate) => present.includes(candidate));
  return [reference.file, head ?? headName];
}

interface Fetching extends FetchOptions {
  readonly cache: HubCache;
  readonly client: HubClient;
  readonly meter: TransferMeter;
  readonly commit: string;
}

/** The path of the file in the snapshot: as it is, linked to a blob that is there, or fetched. */
async function settle(file: RemoteFile, fetching: Fetching, onFetch: () => void): Promise<string> {
  const { cache, client, meter, commit, onNotice } = fetching;
  const path = cache.snapshotPath(commit, file.path);
  const blob = cache.blobPath(file.checksum);
  if (!(await wrong(path, file, fetching))) return path;
  if (!(await wrong(blob, file, fetching))) return cache.link(file.checksum, commit, file.path).catch(() => blob);
  let told = false;
  const onWaiting = async () => {
    if (!told) onNotice(`another process is fetching ${file.path}; waiting for it`);
    told = true;
    const size = await stat(partialPath(blob)).then(
      ({ size }) => size,
      () => 0,
    );
    meter.update("waiting", file.path, size);
  };
  try {
    return await withLock(cache.lockPath(file.checksum), { signal: client.persistence.signal, onWaiting }, async (lost) => {
      for (const candidate of [path, blob]) await removeWrong(candidate, file, fetching);
      if (!(await isFile(blob))) {
        onFetch();
        await download(client, file, blob, { lost, onBytes: (bytes) => meter.update("fetching", file.path, bytes) });
        await remember(blob, file);
      }
      return cache.link(file.checksum, commit, file.path);
    });
  } catch (error) {
    throw error instanceof RerankError || client.persistence.signal?.aborted ? error : diskFailure(error, blob);
  }
}

/** Why the file is not taken; undefined = it is right. */
async function wrong(path: string, file: RemoteFile, { meter }: Fetching): Promise<RerankError | "missing" | undefined> {
  if (!(await isFile(path))) return "missing";
  return unverified(path, file, counted(meter, file.path));
}

/** Only with the lock: what is there now is not what another process has just put there. */
async function removeWrong(path: string, file: RemoteFile, fetching: Fetching): Promise<void> {
  const error = await wrong(path, file, fetching);
  if (error === undefined || error === "missing") return;
  fetching.onNotice(`${error.message}; removed, it is fetched again`);
  await fetching.cache.remove(path);
}

function counted(meter: TransferMeter, name: string): (bytes: number) => void {
  let read = 0;
  return (bytes) => {
    read += bytes;
    meter.update("verifying", name, read);
  };
}

/** What the cache has, verified as far as can be known without the hub; undefined = not all of it. Removes nothing. */
async function fromCache(cache: HubCache, reference: ModelReference, options: FetchOptions): Promise<FetchedModel | undefined> {
  const found = await cachedModel(cache, reference, options.withHead);
  if (!found) return undefined;
  const { commit, model, head } = found;
  const files = head ? [head, model] : [model];
  const total = files.reduce((sum, { expected }) => sum + (expected?.size ?? 0), 0);
  const meter = new TransferMeter(total, options.onTransfer);
  for (const { name, path, expected } of files) {
    if (!expected) continue;
    const error = await unverified(path, expected, counted(meter, name));
    if (error) throw error;
    meter.finish(expected.size);
  }
  return { modelPath: model.path, headPath: head?.path, commit };
}

function notCached({ cacheDirectory }: HubEnvironment, { repository, file, revision }: ModelReference): RerankError {
  const what = `${file} and ${headName} of ${repository} at ${revision} are not both in the cache ${cacheDirectory}`;
  return new RerankError("not_cached", `${what}, and HF_HUB_OFFLINE forbids to ask the hub`);
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
