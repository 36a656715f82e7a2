/** Finds the vision tower that `jina-reranker download --vision` wrote, or that lies beside a local model. Never asks the hub. */

import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RerankError } from "../errors.js";
import type { HubModelSettings } from "../settings/table.js";
import type { Expected } from "./checksum.js";
import { HubCache, isFile } from "./hub-cache.js";
import { hubEnvironment } from "./hub-environment.js";
import { unverified } from "./verified.js";

/** Of the tower's matrices. */
export type VisionType = "q8_0" | "f16";

/** The best first: f16 is there only where somebody asked for it. */
const byPreference: readonly VisionType[] = ["f16", "q8_0"];

export function visionFileName(type: VisionType): string {
  return `mmproj-jina-reranker-m0-${type.toUpperCase()}.gguf`;
}

/**
 * The path of the tower for a model: beside it, else in the hub's cache, where its checksum is compared; undefined = there is none.
 * Throws checksum_mismatch.
 */
export async function findVisionFile(modelPath: string, settings: HubModelSettings): Promise<string | undefined> {
  const { cacheDirectory } = await hubEnvironment(settings);
  for (const type of byPreference) {
    const path = join(dirname(modelPath), visionFileName(type));
    if (await isFile(path)) return path;
  }
  for (const type of byPreference) {
    const found = await cachedVision(cacheDirectory, settings.visionId, type);
    if (!found) continue;
    const error = await visionMismatch(found);
    if (!error) return found.path;
    const message = `${error.message}; \`jina-reranker download --vision\` makes it again`;
    throw new RerankError(error.code, message, { cause: error });
  }
  return undefined;
}

/** As `findVisionFile`. Throws model_not_found, which says what to type. */
export async function visionFile(modelPath: string, settings: HubModelSettings): Promise<string> {
  const found = await findVisionFile(modelPath, settings);
  if (found !== undefined) return found;
  const { cacheDirectory } = await hubEnvironment(settings);
  const missing = `${visionFileName("q8_0")} is neither beside ${modelPath} nor in the cache ${cacheDirectory}`;
  const ways = "run `jina-reranker download --vision`, which reads 1.33 GB once, or set MMPROJ_PATH to such a file";
  throw new RerankError("model_not_found", `IMAGES: there is no vision tower: ${missing}; ${ways}`);
}

export interface CachedVision {
  readonly path: string;
  /** From the name of the cache's blob; undefined = not known, where the file system has no links. */
  readonly expected: Expected | undefined;
}

/** The tower of the repository's main revision in the hub's cache, where it lies like a file of the repository. */
export async function cachedVision(
  cacheDirectory: string,
  repository: string,
  type: VisionType,
): Promise<CachedVision | undefined> {
  const cache = new HubCache(cacheDirectory, repository);
  for (const commit of await cache.snapshots("main")) {
    const path = cache.snapshotPath(commit, visionFileName(type));
    if (!(await isFile(path))) continue;
    const checksum = await cache.recordedChecksum(path);
    return { path, expected: checksum && { checksum, size: (await stat(path)).size } };
  }
  return undefined;
}

/** undefined = the file is the one that was written, as far as is known. */
export async function visionMismatch(
  { path, expected }: CachedVision,
  onBytes: (bytes: number) => void = () => {},
): Promise<RerankError | undefined> {
  return expected && unverified(path, expected, onBytes);
}
