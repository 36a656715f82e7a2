/** A model's weights in another precision: a file in the cache folder, made once and named by its source's checksum. */

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
import type { Logger } from "../types.js";
import type { Converted } from "./weights.js";

export interface ConversionEvents {
  readonly onProgress: (fraction: number) => void;
  /** A converted file that is there is read, since it may have changed. */
  readonly onHashing: (fraction: number) => void;
  /** Called while another process converts the same file. */
  readonly onWaiting: () => void;
  readonly logger: Logger;
}

const pollMs = 200;
/** A process loses its lock when the machine sleeps or the disk hangs. */
const attempts = 3;
/** Bytes of a weight, the scales of its block included. */
const bytesPerWeight: Readonly<Record<Converted, number>> = { f16: 2, bf16: 2, q8_0: 34 / 32 };

export function convertedDirectory(): string {
  return join(cacheDirectory(), "converted");
}

export function convertedPath(source: string, precision: Converted): string {
  return join(convertedDirectory(), `${source}-${precision}.gguf`);
}

/**
 * The path of the converted file, which exists and is whole when this resolves. A damaged file is converted again. Rejects with
 * disk_full, cache_not_writable or model_invalid.
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

/** False when the lock was lost meanwhile: another process may be writing, so this one drops what it made. */
async function convertLocked(
  path: string,
  options: Pick<EngineOptions, "modelPath" | "threads">,
  precision: Converted,
  events: ConversionEvents,
): Promise<boolean> {
  return withLock(`${path}.lock`, { onWaiting: events.onWaiting }, async (lost) => {
    const found = await look(path, events.onHashing);
    if (found.state === "whole") return true;
    if (found.state === "damaged") events.logger.warn(`${found.reason}; the weights are converted again`);
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

/** Size of the converted file. Its token embeddings are the source's. */
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

/** The conversion reports no progress, so the size of its output tells it. */
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
