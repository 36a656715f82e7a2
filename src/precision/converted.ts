/** A model's weights in another precision: a file beside the cache, named by its source's checksum, made once. */

import { mkdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { EngineOptions } from "../../binding.js";
import { fromNative, RerankError } from "../errors.js";
import { cacheDirectory } from "../files/cache-folder.js";
import { diskFailure } from "../files/disk-failure.js";
import { withLock } from "../files/lock.js";
import { sweepUnfinishedOf } from "../files/write-atomically.js";
import { type Finding, findRecorded, produceRecorded, removeRecorded } from "../model/recorded-file.js";
import { loadAddon } from "../native/addon.js";
import type { Converted } from "./weights.js";

export interface ConversionEvents {
  readonly onProgress: (fraction: number) => void;
  /** What is there is read: it may have changed since it was last seen. */
  readonly onHashing: (fraction: number) => void;
  /** Another process converts the same file. */
  readonly onWaiting: () => void;
  readonly onNotice: (notice: string) => void;
}

const pollMs = 200;
/** A lock is lost when the machine slept, or the disk stood still. */
const attempts = 3;
/** Bytes of a weight, blocks' scales included. */
const bytesPerWeight: Readonly<Record<Converted, number>> = { f16: 2, bf16: 2, q8_0: 34 / 32 };

export function convertedDirectory(): string {
  return join(cacheDirectory(), "converted");
}

export function convertedPath(source: string, precision: Converted): string {
  return join(convertedDirectory(), `${source}-${precision}.gguf`);
}

/**
 * The path of the converted file, which is there and whole when this resolves; one that is not what was written is converted
 * again. Rejects with disk_full, cache_not_writable or model_invalid.
 */
export async function convertedFile(
  options: Pick<EngineOptions, "modelPath" | "threads">,
  source: string,
  precision: Converted,
  events: ConversionEvents,
): Promise<string> {
  const path = convertedPath(source, precision);
  try {
    if ((await look(path, events.onHashing)).state === "whole") return path;
    for (let attempt = 1; !(await convertLocked(path, options, precision, events)); attempt += 1) {
      if (attempt === attempts) throw new Error(`${path}: its lock was lost ${attempts} times while it was being written`);
    }
  } catch (error) {
    const known = fromNative(error);
    throw known instanceof RerankError ? known : diskFailure(error, path, "XDG_CACHE_HOME, or set PRECISION=file");
  }
  return path;
}

/** False when the lock was lost meanwhile: somebody else may be writing, so what was made is not kept. */
async function convertLocked(
  path: string,
  options: Pick<EngineOptions, "modelPath" | "threads">,
  precision: Converted,
  events: ConversionEvents,
): Promise<boolean> {
  return withLock(`${path}.lock`, { onWaiting: events.onWaiting }, async (lost) => {
    const found = await look(path, events.onHashing);
    if (found.state === "whole") return true;
    if (found.state === "damaged") events.onNotice(`${found.reason}; the weights are converted again`);
    await removeRecorded(path);
    await sweepUnfinishedOf(path);
    const expected = convertedBytes(options.modelPath, precision);
    await requireRoom(path, expected);
    try {
      await produceRecorded(path, async (unfinished) => {
        await whileWatching(`${unfinished}.partial`, expected, events.onProgress, () =>
          loadAddon().binding.quantize(options.modelPath, unfinished, precision, {
            threads: options.threads,
            keepEmbeddings: true,
          }),
        );
        lost.throwIfAborted();
      });
    } catch (error) {
      if (lost.aborted) return false;
      throw error;
    }
    return true;
  });
}

async function look(path: string, onHashing: (fraction: number) => void): Promise<Finding> {
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  let read = 0;
  return findRecorded(path, (bytes) => {
    read += bytes;
    onHashing(read / size);
  });
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
