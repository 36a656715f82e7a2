/**
 * Makes the vision tower's GGUF from the safetensors files of a repository of the hub. Only the tensors of the tower are read, by
 * range requests, and converted as they come. The file lies in the hub's cache like one of the repository's own, named by its
 * checksum.
 */

import { createHash } from "node:crypto";
import { mkdir, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RerankError } from "../errors.js";
import { cacheDirectory as ownCache } from "../files/cache-folder.js";
import { diskFailure } from "../files/disk-failure.js";
import { withLock } from "../files/lock.js";
import { writeAtomically } from "../files/write-atomically.js";
import { publishedMmprojShape } from "../gguf/mmproj.js";
import { type Checksum, checksumNamed } from "../model/checksum.js";
import { partialPath, requireRoom } from "../model/download.js";
import { HubCache, isFile } from "../model/hub-cache.js";
import { HubClient, type RemoteFile, type Revision } from "../model/hub-client.js";
import type { HubEnvironment } from "../model/hub-environment.js";
import { isOfficialVision, licenceNotice } from "../model/official.js";
import { briefly, networkPatience, type Patience } from "../model/retry.js";
import { type Transfer, TransferMeter } from "../model/transfer.js";
import { remember } from "../model/verified.js";
import { type CachedVision, cachedVision, type VisionType, visionFileName, visionMismatch } from "../model/vision-file.js";
import type { Logger } from "../types.js";
import { headsOf, normalizationOf, visualShards } from "./config.js";
import { type Layout, layOut, shapeOf, visualTensors } from "./layout.js";
import { PartialTower, removeRecord } from "./partial-tower.js";
import { RangeReader } from "./ranges.js";
import { headerLength, parseHeader, prefixBytes } from "./safetensors.js";

export interface VisionOptions {
  readonly type: VisionType;
  readonly patience?: Patience;
  readonly signal?: AbortSignal;
  readonly onTransfer: (transfer: Transfer) => void;
  /** Gets the licence, each retry and its cause, that the file is there already. */
  readonly logger: Logger;
}

/** Counts changes of the conversion that a layout does not show. */
const conversion = 1;
const maximumConfigBytes = 2 ** 20;
const maximumIndexBytes = 16 * 2 ** 20;

/** The path of the GGUF. */
export async function fetchVision(environment: HubEnvironment, repository: string, options: VisionOptions): Promise<string> {
  const { type, logger } = options;
  const name = visionFileName(type);
  const cached = await usable(environment, repository, options);
  const present = (found: CachedVision) => {
    logger.info(`${name} is in the cache already`);
    return found.path;
  };
  if (environment.offline) {
    if (cached) return present(cached);
    const message = `${name} is not in the cache ${environment.cacheDirectory}, and HF_HUB_OFFLINE forbids asking the hub`;
    throw new RerankError("not_cached", message);
  }
  const persistence = { patience: networkPatience, ...options };
  const asking = cached ? briefly(persistence.patience) : persistence.patience;
  await using client = new HubClient(environment, { repository, revision: "main" }, persistence, asking);
  let revision: Revision;
  try {
    revision = await client.revision();
  } catch (error) {
    const away = error instanceof RerankError && (error.code === "hub_unreachable" || error.code === "hub_unavailable");
    if (!cached || !away) throw error;
    logger.warn(`${error.message}; using the file in the cache`);
    return cached.path;
  }
  const cache = new HubCache(environment.cacheDirectory, repository);
  const path = cache.snapshotPath(revision.commit, name);
  if (cached?.path === path) return present(cached);
  const reader = new RangeReader(client);
  const { files, layout } = await survey(client, reader, revision, type);
  const key = keyOf(files, layout);
  const tower = { cache, key, endpoint: environment.endpoint, commit: revision.commit, name, files, layout };
  const linked = (await linkKnown(tower, options)) ?? (await make(tower, client, reader, options));
  // Later starts read this record. A complete cache may be read-only: that is no failure.
  await cache.setCommit("main", revision.commit).catch(() => {});
  return linked;
}

/** The file in the cache, unless it is damaged, which is an error only where it cannot be made again. */
async function usable(
  { cacheDirectory, offline }: HubEnvironment,
  repository: string,
  options: VisionOptions,
): Promise<CachedVision | undefined> {
  const found = await cachedVision(cacheDirectory, repository, options.type);
  if (!found) return undefined;
  const meter = new TransferMeter(found.expected?.size ?? 0, options.onTransfer);
  let read = 0;
  const error = await visionMismatch(found, (bytes) => {
    read += bytes;
    meter.update("verifying", visionFileName(options.type), read);
  });
  if (!error) return found;
  if (offline) throw error;
  options.logger.warn(`${error.message}; the file is made again`);
  return undefined;
}

interface Survey {
  readonly files: readonly RemoteFile[];
  readonly layout: Layout;
}

/** Reads what is small, and decides from it what to read and what it becomes. */
async function survey(client: HubClient, reader: RangeReader, revision: Revision, type: VisionType): Promise<Survey> {
  const { repository } = client.reference;
  const names = ["config.json", "preprocessor_config.json", "model.safetensors", "model.safetensors.index.json"];
  const [config, preprocessor, single, index] = await client.find(revision, names);
  if (!config) throw client.missing("config.json", revision);
  if (!preprocessor) throw client.missing("preprocessor_config.json", revision);
  const files = single ? [single] : await shards(client, reader, revision, index);
  const heads = headsOf(await reader.text(config, maximumConfigBytes));
  const normalization = normalizationOf(await reader.text(preprocessor, maximumConfigBytes));
  const stored = [];
  for (const file of files) {
    const prefix = await reader.bytes({ file, begin: 0, end: Math.min(prefixBytes, file.size) });
    const begin = prefixBytes;
    const end = begin + headerLength(prefix, file.size, file.path);
    stored.push(parseHeader(await reader.bytes({ file, begin, end }), file.size, file.path));
  }
  const tensors = visualTensors(stored);
  const shape = shapeOf(tensors, heads);
  const official = isOfficialVision(repository);
  if (official && JSON.stringify(shape) !== JSON.stringify(publishedMmprojShape)) {
    const message = `${repository}: expected a vision tower of the lengths ${JSON.stringify(publishedMmprojShape)}, got ${JSON.stringify(shape)}; this is not the published model`;
    throw new RerankError("model_invalid", message);
  }
  const license = official ? "cc-by-nc-4.0" : undefined;
  return { files, layout: layOut(tensors, { shape, type, normalization, name: repository, license }) };
}

async function shards(
  client: HubClient,
  reader: RangeReader,
  revision: Revision,
  index: RemoteFile | undefined,
): Promise<readonly RemoteFile[]> {
  if (!index) throw client.missing("model.safetensors", revision);
  const names = visualShards(await reader.text(index, maximumIndexBytes));
  const found = await client.find(revision, names);
  return found.map((file, at) => {
    if (!file) throw client.missing(names[at] ?? "", revision);
    return file;
  });
}

/** The same for the same bytes of the same files, whatever commit has them. */
function keyOf(files: readonly RemoteFile[], { header, steps }: Layout): Checksum {
  const places = steps.map(({ file, begin, end }) => [file, begin, end]);
  const hash = createHash("sha256").update(JSON.stringify([conversion, files.map(({ checksum }) => checksum.hex), places]));
  return { algorithm: "sha256", hex: hash.update(header).digest("hex") };
}

interface WantedTower extends Survey {
  readonly cache: HubCache;
  readonly key: Checksum;
  readonly endpoint: string;
  readonly commit: string;
  readonly name: string;
}

/** Where a complete tower's checksum is found by its key. It only saves time. */
function knownPath({ hex }: Checksum): string {
  return join(ownCache(), "vision", hex);
}

/** The file of an earlier commit, when nothing that it was made from has changed since. */
async function linkKnown({ cache, key, commit, name, layout }: WantedTower, options: VisionOptions): Promise<string | undefined> {
  const checksum = checksumNamed(await readFile(knownPath(key), "utf8").catch(() => ""));
  const path = checksum && cache.blobPath(checksum);
  if (!path || !(await isFile(path))) return undefined;
  if (await visionMismatch({ path, expected: { checksum, size: layout.size } })) return undefined;
  options.logger.info(`${name} is in the cache already, from the same weights`);
  return cache.link(checksum, commit, name);
}

async function make(tower: WantedTower, client: HubClient, reader: RangeReader, options: VisionOptions): Promise<string> {
  const { cache, key, name, layout } = tower;
  const unfinished = partialPath(cache.blobPath(key));
  const { signal } = client.persistence;
  const meter = new TransferMeter(layout.sourceBytes, options.onTransfer);
  let told = false;
  const onWaiting = () => {
    if (!told) options.logger.info(`another process is making ${name}; waiting for it`);
    told = true;
    meter.update("waiting", name, 0);
  };
  try {
    return await withLock(cache.lockPath(key), { signal, onWaiting }, async (lost) => {
      const known = await linkKnown(tower, options);
      if (known !== undefined) return known;
      options.logger.warn(licenceNotice(client.reference.repository, tower.endpoint));
      await mkdir(dirname(unfinished), { recursive: true });
      await requireRoom(unfinished, { path: name, size: layout.size });
      return await convertInto(unfinished, tower, reader, lost, meter);
    });
  } catch (error) {
    throw error instanceof RerankError || signal?.aborted ? error : diskFailure(error, unfinished);
  }
}

/** Reads what the unfinished file lacks, and gives the file its place. */
async function convertInto(
  unfinished: string,
  tower: WantedTower,
  reader: RangeReader,
  lost: AbortSignal,
  meter: TransferMeter,
): Promise<string> {
  const { cache, key, commit, name, layout } = tower;
  const checksum: Checksum = { algorithm: "sha256", hex: await fill(unfinished, tower, reader, lost, meter) };
  await writeAtomically(knownPath(key), checksum.hex).catch(() => {});
  // A damaged file of that checksum is replaced.
  await rename(unfinished, cache.blobPath(checksum));
  await removeRecord(unfinished);
  const path = await cache.link(checksum, commit, name);
  await remember(path, { checksum, size: layout.size });
  return path;
}

/** The checksum of the file, which is complete then and closed: Windows renames no open file. */
async function fill(
  unfinished: string,
  { name, files, layout }: WantedTower,
  reader: RangeReader,
  lost: AbortSignal,
  meter: TransferMeter,
): Promise<string> {
  let read = 0;
  await using partial = await PartialTower.open(unfinished, layout, lost, (bytes) => {
    read += bytes;
    meter.update("verifying", name, Math.round((read / layout.size) * layout.sourceBytes));
  });
  const next = () => {
    const wanted = partial.next;
    const file = wanted && files[wanted.file];
    return file && { ...wanted, file };
  };
  await reader.read(next, async (chunk) => {
    await partial.write(chunk);
    meter.update("fetching", name, partial.sourceBytes);
  });
  return await partial.finish();
}
