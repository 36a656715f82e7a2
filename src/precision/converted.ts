/** A model's weights in another precision: a file beside the cache, named by its source's checksum, made once. */

import { mkdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { EngineOptions } from "../../binding.js";
import { fromNative, RerankError } from "../errors.js";
import { cacheDirectory } from "../model/cache.js";
import { diskFailure } from "../model/hub-failures.js";
import { withLock } from "../model/lock.js";
import { loadAddon } from "../native/addon.js";
import type { Precision } from "./precision.js";

type Converted = Exclude<Precision, "file">;

export interface ConversionEvents {
  readonly onProgress: (fraction: number) => void;
  /** Another process converts the same file. */
  readonly onWaiting: () => void;
}

const pollMs = 200;
/** Bytes of a weight, blocks' scales included. */
const bytesPerWeight: Readonly<Record<Converted, number>> = { f16: 2, bf16: 2, q8_0: 34 / 32 };

export function convertedPath(source: string, precision: Converted): string {
  return join(cacheDirectory(), "converted", `${source}-${precision}.gguf`);
}

/** The path of the converted file, which is there and whole when this resolves. Rejects with disk_full, cache_not_writable or model_invalid. */
export async function convertedFile(
  options: EngineOptions,
  source: string,
  precision: Converted,
  { onProgress, onWaiting }: ConversionEvents,
): Promise<string> {
  const path = convertedPath(source, precision);
  if (await isThere(path)) return path;
  try {
    await withLock(`${path}.lock`, { onWaiting }, async () => {
      if (await isThere(path)) return;
      const expected = convertedBytes(options.modelPath, precision);
      await requireRoom(path, expected);
      await whileWatching(`${path}.partial`, expected, onProgress, () =>
        loadAddon().binding.quantize(options.modelPath, path, precision, { threads: options.threads, keepEmbeddings: true }),
      );
    });
  } catch (error) {
    const known = fromNative(error);
    throw known instanceof RerankError ? known : diskFailure(error, path, "XDG_CACHE_HOME, or set PRECISION=file");
  }
  return path;
}

export async function freeBytes(directory: string): Promise<number> {
  await mkdir(directory, { recursive: true });
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** Of the converted weights; the token embeddings stay as they are. */
export function convertedBytes(modelPath: string, precision: Converted): number {
  const { parameters, embeddingParameters, embeddingBytes } = loadAddon().binding.inspect(modelPath);
  return embeddingBytes + Math.ceil((parameters - embeddingParameters) * bytesPerWeight[precision]);
}

async function requireRoom(path: string, expected: number): Promise<void> {
  const directory = join(path, "..");
  const free = await freeBytes(directory);
  if (expected * 1.01 <= free) return;
  throw new RerankError(
    "disk_full",
    `${path} needs ${expected} bytes, ${free} are free in ${directory}; make room, choose another disk with XDG_CACHE_HOME, or set PRECISION=file`,
  );
}

/** The conversion itself tells nothing: how far it is shows in its output. */
async function whileWatching(
  path: string,
  expected: number,
  onProgress: (fraction: number) => void,
  action: () => Promise<void>,
): Promise<void> {
  onProgress(0);
  const timer = setInterval(async () => {
    const present = await stat(path).catch(() => undefined);
    if (present) onProgress(Math.min(1, present.size / expected));
  }, pollMs);
  try {
    await action();
  } finally {
    clearInterval(timer);
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}
