/**
 * Turns MODEL_ID, MODEL_FILE and MODEL_REVISION into the paths of a GGUF and its score head: found in the hub's cache, or fetched
 * into it. Every file whose checksum is known was compared with it.
 */

import { stat } from "node:fs/promises";
import { RerankError } from "../errors.js";
import { diskFailure } from "../files/disk-failure.js";
import { withLock } from "../files/lock.js";
import type { Logger } from "../types.js";
import { cachedModel, headCandidates, headName, otherHead } from "./cached-files.js";
import { download, partialPath } from "./download.js";
import { commitPattern, HubCache, isFile } from "./hub-cache.js";
import { HubClient, type ModelReference, type RemoteFile } from "./hub-client.js";
import type { HubEnvironment } from "./hub-environment.js";
import { licenceNotice, officialRepository } from "./official.js";
import { briefly, networkPatience, type Patience } from "./retry.js";
import { type Transfer, TransferMeter } from "./transfer.js";
import { remember, unverified } from "./verified.js";

export interface FetchedModel {
  readonly modelPath: string;
  /** undefined = the caller did not ask for it. */
  readonly headPath: string | undefined;
  readonly commit: string;
}

export interface FetchOptions {
  readonly patience?: Patience;
  readonly signal?: AbortSignal;
  /** False when the caller has the score head from elsewhere. */
  readonly withHead: boolean;
  /** Whether this GGUF has the official model's shape. Only then may the official head stand in for a missing one. */
  readonly fitsOfficialHead: (modelPath: string) => boolean | Promise<boolean>;
  readonly onTransfer: (transfer: Transfer) => void;
  /** Gets the licence, each retry and its cause, the removal of a wrong file. */
  readonly logger: Logger;
}

export async function fetchModel(
  environment: HubEnvironment,
  reference: ModelReference,
  options: FetchOptions,
): Promise<FetchedModel> {
  if (environment.offline) {
    const found = await fromCache(environment, reference, options);
    if (found) return found;
    throw notCached(environment, reference);
  }
  // A commit never changes, so the hub need not be asked for files that are here. Wrong ones are fetched again below.
  if (commitPattern.test(reference.revision)) {
    const found = await fromCache(environment, reference, options).catch(() => undefined);
    if (found) return found;
  }
  const persistence = { patience: networkPatience, ...options };
  const cached = await cachedModel(environment.cacheDirectory, reference, options.withHead);
  const asking = cached ? briefly(persistence.patience) : persistence.patience;
  await using client = new HubClient(environment, reference, persistence, asking);
  await using otherClient = new HubClient(environment, otherHead(reference), persistence, asking);
  let wanted: Wanted;
  try {
    wanted = await ask(client, otherClient, reference, options.withHead);
  } catch (error) {
    // The cached files were checked when they came. A hub that is down now must not stop the start.
    const away = error instanceof RerankError && (error.code === "hub_unreachable" || error.code === "hub_unavailable");
    const found = away ? await fromCache(environment, reference, options) : undefined;
    if (!found) throw error;
    options.logger.warn(`${error instanceof Error ? error.message : String(error)}; using the files in the cache`);
    return found;
  }
  const files = wanted.head ? [wanted.head, wanted.model] : [wanted.model];
  const meter = new TransferMeter(
    files.reduce((sum, { file }) => sum + file.size, 0),
    options.onTransfer,
  );
  const say = once((repository: string) => options.logger.warn(licenceNotice(repository, environment.endpoint)));
  const ready: string[] = [];
  // The small score head comes first: a repository that lacks something fails before a gigabyte is fetched.
  for (const { client, commit, file } of files) {
    const { repository, revision } = client.reference;
    const cache = new HubCache(environment.cacheDirectory, repository);
    ready.unshift(await settle(file, { cache, client, meter, commit, ...options }, () => say(repository)));
    meter.finish(file.size);
    // Starts that cannot ask the hub read this record. A complete cache may be read-only: that is no failure.
    await cache.setCommit(revision, commit).catch(() => {});
  }
  const [modelPath = "", headPath] = ready;
  if (wanted.borrowed) await requireFit(modelPath, reference, options);
  return { modelPath, headPath, commit: wanted.model.commit };
}

interface WantedFile {
  readonly client: HubClient;
  readonly commit: string;
  readonly file: RemoteFile;
}

interface Wanted {
  readonly model: WantedFile;
  /** undefined = the caller did not ask for it. */
  readonly head: WantedFile | undefined;
  /** True when the repository has no score head and the official one takes its place. */
  readonly borrowed: boolean;
}

/** Asks the hub for the size, checksum and address of each wanted file. */
async function ask(client: HubClient, other: HubClient, reference: ModelReference, withHead: boolean): Promise<Wanted> {
  const revision = await client.revision();
  const { commit } = revision;
  const [model, ...heads] = await client.find(revision, [reference.file, ...(withHead ? headCandidates(reference) : [])]);
  if (!model) throw client.missing(reference.file, revision);
  const head = heads.find((candidate) => candidate !== undefined);
  const wanted = { model: { client, commit, file: model }, head: head && { client, commit, file: head }, borrowed: false };
  if (!withHead || head) return wanted;
  return { ...wanted, head: await askForHead(other, reference), borrowed: reference.headRepository === undefined };
}

async function askForHead(client: HubClient, { repository, headRepository }: ModelReference): Promise<WantedFile> {
  try {
    const revision = await client.revision();
    const [file] = await client.find(revision, [headName]);
    if (!file) throw client.missing(headName, revision);
    return { client, commit: revision.commit, file };
  } catch (error) {
    if (headRepository !== undefined || !(error instanceof RerankError)) throw error;
    const message = `${repository} has no ${headName}, and the official one could not be fetched: ${error.message}. Set HEAD_ID to a repository that has one, or HEAD_PATH to a file`;
    throw new RerankError(error.code, message, { cause: error });
  }
}

/** Throws hub_not_found unless the official head belongs to a model of this shape. */
async function requireFit(modelPath: string, { repository, file }: ModelReference, options: FetchOptions): Promise<void> {
  if (await options.fitsOfficialHead(modelPath)) {
    options.logger.warn(
      `${repository} has no ${headName}; using that of ${officialRepository}, because ${file} has the shape of jina-reranker-m0`,
    );
    return;
  }
  const message = `${repository} has no ${headName}, and the official one does not fit ${file}, which does not have the shape of jina-reranker-m0. Set HEAD_ID to the repository that has its score head, or HEAD_PATH to the file`;
  throw new RerankError("hub_not_found", message);
}

interface Fetching extends FetchOptions {
  readonly cache: HubCache;
  readonly client: HubClient;
  readonly meter: TransferMeter;
  readonly commit: string;
}

/** The file's path in the snapshot. Uses the file when it is right, else links its blob, else fetches it. */
async function settle(file: RemoteFile, fetching: Fetching, onFetch: () => void): Promise<string> {
  const { cache, client, meter, commit, logger } = fetching;
  const path = cache.snapshotPath(commit, file.path);
  const blob = cache.blobPath(file.checksum);
  if (!(await wrong(path, file, fetching))) return path;
  if (!(await wrong(blob, file, fetching))) return cache.link(file.checksum, commit, file.path).catch(() => blob);
  let told = false;
  const onWaiting = async () => {
    if (!told) logger.info(`another process is fetching ${file.path}; waiting for it`);
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
      if (await isFile(path)) return path;
      if (!(await isFile(blob))) {
        onFetch();
        await download(client, file, blob, { lost, onBytes: (bytes) => meter.update("fetching", file.path, bytes) });
      }
      const linked = await cache.link(file.checksum, commit, file.path);
      await remember(linked, file);
      return linked;
    });
  } catch (error) {
    throw error instanceof RerankError || client.persistence.signal?.aborted ? error : diskFailure(error, blob);
  }
}

/** Why the file cannot be used; undefined = it is right. */
async function wrong(path: string, file: RemoteFile, { meter }: Fetching): Promise<RerankError | "missing" | undefined> {
  if (!(await isFile(path))) return "missing";
  return unverified(path, file, counted(meter, file.path));
}

/** Call it with the lock held. Otherwise it could remove a file that another process has just fetched. */
async function removeWrong(path: string, file: RemoteFile, fetching: Fetching): Promise<void> {
  const error = await wrong(path, file, fetching);
  if (error === undefined || error === "missing") return;
  fetching.logger.warn(`${error.message}; the file is removed and fetched again`);
  await fetching.cache.remove(path);
}

function counted(meter: TransferMeter, name: string): (bytes: number) => void {
  let read = 0;
  return (bytes) => {
    read += bytes;
    meter.update("verifying", name, read);
  };
}

/**
 * The model from the cache, compared with the checksums that are pinned or that its blobs are named by. Removes nothing.
 * undefined = at least one file is missing. Throws checksum_mismatch.
 */
async function fromCache(
  { cacheDirectory }: HubEnvironment,
  reference: ModelReference,
  options: FetchOptions,
): Promise<FetchedModel | undefined> {
  const found = await cachedModel(cacheDirectory, reference, options.withHead);
  if (!found) return undefined;
  const { commit, model, head, borrowed } = found;
  const files = head ? [head, model] : [model];
  const total = files.reduce((sum, { expected }) => sum + (expected?.size ?? 0), 0);
  const meter = new TransferMeter(total, options.onTransfer);
  for (const { name, path, expected } of files) {
    if (!expected) continue;
    const error = await unverified(path, expected, counted(meter, name));
    if (error) throw error;
    meter.finish(expected.size);
  }
  if (borrowed) await requireFit(model.path, reference, options);
  return { modelPath: model.path, headPath: head?.path, commit };
}

function notCached(
  { cacheDirectory }: HubEnvironment,
  { repository, file, revision, headRepository }: ModelReference,
): RerankError {
  const from = headRepository === undefined ? "" : ` (its head from ${headRepository})`;
  const what = `${file} and ${headName} of ${repository}${from} at ${revision} are not both in the cache ${cacheDirectory}`;
  return new RerankError("not_cached", `${what}, and HF_HUB_OFFLINE forbids asking the hub`);
}

/** Calls `action` once for each value. */
function once(action: (value: string) => void): (value: string) => void {
  const done = new Set<string>();
  return (value) => {
    if (!done.has(value)) action(value);
    done.add(value);
  };
}
