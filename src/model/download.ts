/**
 * Downloads one file to `<blob>.partial` and renames it to `<blob>` when its size and checksum are right. A partial file that an
 * earlier download left, also another process's, is continued.
 */

import type { Hash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, lstat, mkdir, rename, rm, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Response } from "undici";
import { RerankError } from "../errors.js";
import { diskFailure } from "../files/disk-failure.js";
import { openToContinue, writeAt } from "../files/write-at.js";
import { hashFile, mismatch, startHash } from "./checksum.js";
import { isWebPage, printable } from "./hub-answers.js";
import type { HubClient, RemoteFile } from "./hub-client.js";
import { notTheHub } from "./hub-failures.js";
import { Passing, retrying } from "./retry.js";

export interface DownloadEvents {
  /** Called with the number of the file's bytes on disk. */
  readonly onBytes: (bytes: number) => void;
  /** Aborts when this process loses the lock. */
  readonly lost: AbortSignal;
}

export function partialPath(blobPath: string): string {
  return `${blobPath}.partial`;
}

export async function download(client: HubClient, file: RemoteFile, blobPath: string, events: DownloadEvents): Promise<void> {
  const partial = partialPath(blobPath);
  try {
    await mkdir(dirname(blobPath), { recursive: true });
    await requireRoom(partial, file);
    const sink = await Sink.open(partial, file, events);
    try {
      const whole = () => retrying(client.persistence, (progressed) => receive(client, file, sink, progressed));
      await whole();
      // An earlier process's part may be damaged. Then the whole file is fetched once more.
      if (sink.resumed && !sink.isRight()) {
        await sink.restart();
        await whole();
      }
      await sink.check();
    } finally {
      await sink.close();
    }
    await rename(partial, blobPath);
  } catch (error) {
    const wrong = error instanceof RerankError && error.code === "checksum_mismatch";
    if (wrong) await rm(partial, { force: true });
    throw error instanceof RerankError || client.persistence.signal?.aborted ? error : diskFailure(error, blobPath);
  }
}

/** Throws disk_full when the rest of the partial file does not fit. */
export async function requireRoom(partial: string, { path, size }: Pick<RemoteFile, "path" | "size">): Promise<void> {
  const present = await lstat(partial).catch(() => undefined);
  const { bavail, bsize } = await statfs(dirname(partial));
  const missing = size - (present?.isFile() ? present.size : 0);
  if (missing <= bavail * bsize) return;
  const message = `${path} needs ${missing} bytes, ${bavail * bsize} are free in ${dirname(partial)}; make room, or choose another disk with HF_HUB_CACHE`;
  throw new RerankError("disk_full", message);
}

/** Fetches what the sink lacks. Throws Passing when the connection ends first; the sink keeps what came. */
async function receive(client: HubClient, file: RemoteFile, sink: Sink, progressed: () => void): Promise<void> {
  if (sink.bytes === file.size) return;
  const response = await client.content(file.url, sink.bytes);
  const { host } = new URL(response.url || file.url);
  let begun = false;
  for await (const chunk of contentOf(response, client, file.url)) {
    if (!begun) await begin(response, chunk, file, sink);
    begun = true;
    if (sink.bytes + chunk.length > file.size) {
      throw new RerankError("checksum_mismatch", `${file.path}: ${host} sends more than the ${file.size} bytes it announced`);
    }
    if (await sink.write(chunk)) progressed();
  }
  if (sink.bytes === file.size) return;
  const message = `${host} closed the connection after ${sink.bytes} of the ${file.size} bytes of ${file.path}`;
  throw new Passing(new RerankError("hub_unreachable", message));
}

/** Yields the body. Exceptions of reading it become network failures; those of writing, in the caller's loop, do not. */
export async function* contentOf(response: Response, client: HubClient, url: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) yield chunk;
  } catch (error) {
    throw client.failure(error, url);
  }
}

/** Checks the answer's headers and first chunk. A partial file is emptied only after that. */
async function begin(response: Response, chunk: Uint8Array, file: RemoteFile, sink: Sink): Promise<void> {
  const { host } = new URL(response.url || file.url);
  // A server without range requests answers 200 and sends the whole file.
  const fromStart = response.status !== 206;
  if (fromStart && isWebPage(chunk)) throw notTheHub(host, `a web page (HTML) in place of ${file.path}`);
  checkLength(response, file, fromStart ? 0 : sink.bytes);
  if (fromStart && sink.bytes > 0) await sink.restart();
}

/** Throws checksum_mismatch when the announced length or range is not the file from `start` to its end. */
function checkLength(response: Response, { path, size, url }: RemoteFile, start: number): void {
  const header = response.headers.get(response.status === 206 ? "content-range" : "content-length");
  if (header === null) return;
  const expected = response.status === 206 ? `bytes ${start}-${size - 1}/${size}` : String(size);
  if (header === expected) return;
  const message = `${path}: ${new URL(response.url || url).host} sends ${printable(header)} bytes, expected ${expected}`;
  throw new RerankError("checksum_mismatch", message.replace("bytes bytes", "bytes"));
}

/** Bytes that a try must add to count as progress. If one byte counted, a server that sends one a try would be asked for ever. */
export const progressBytes = 65_536;

/** The partial file and the hash of its content. */
class Sink {
  readonly #handle: FileHandle;
  readonly #file: RemoteFile;
  readonly #events: DownloadEvents;
  #hash: Hash;
  #bytes: number;
  /** Size at which progress was last counted. It stays when the file restarts, so a server that always restarts makes none. */
  #reached: number;
  /** True when the file began with an earlier process's bytes. */
  #resumed = false;

  private constructor(handle: FileHandle, file: RemoteFile, events: DownloadEvents, hash: Hash, bytes: number) {
    this.#handle = handle;
    this.#file = file;
    this.#events = events;
    this.#hash = hash;
    this.#bytes = bytes;
    this.#reached = bytes;
  }

  /** Continues a file that is not too long. Replaces a symbolic link: its target is not ours to write. */
  static async open(path: string, file: RemoteFile, events: DownloadEvents): Promise<Sink> {
    const present = await lstat(path).catch(() => undefined);
    if (present?.isSymbolicLink()) await rm(path);
    // Windows has no O_NOFOLLOW.
    const handle = await openToContinue(path, constants.O_NOFOLLOW ?? 0);
    try {
      const { size: bytes } = await handle.stat();
      if (bytes > file.size) await handle.truncate(0);
      const sink = new Sink(handle, file, events, startHash(file), 0);
      if (bytes === 0 || bytes > file.size) return sink;
      let read = 0;
      sink.#hash = await hashFile(path, file, (more) => {
        read += more;
        events.onBytes(read);
      });
      sink.#bytes = bytes;
      sink.#reached = bytes;
      sink.#resumed = true;
      return sink;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  get resumed(): boolean {
    return this.#resumed;
  }

  isRight(): boolean {
    return this.#bytes === this.#file.size && this.#hash.copy().digest("hex") === this.#file.checksum.hex;
  }

  /** Appends a chunk. True when the file grew by progressBytes since progress was last counted. */
  async write(chunk: Uint8Array): Promise<boolean> {
    this.#events.lost.throwIfAborted();
    this.#hash.update(chunk);
    await writeAt(this.#handle, chunk, this.#bytes);
    this.#bytes += chunk.length;
    this.#events.onBytes(this.#bytes);
    const further = this.#bytes >= this.#reached + progressBytes;
    if (further) this.#reached = this.#bytes;
    return further;
  }

  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = startHash(this.#file);
    this.#bytes = 0;
    this.#resumed = false;
  }

  /** Flushes the complete file to the disk and throws checksum_mismatch when it is wrong. */
  async check(): Promise<void> {
    await this.#handle.datasync();
    if (this.isRight()) return;
    const actual = { size: this.#bytes, hex: this.#hash.digest("hex") };
    throw mismatch(`${this.#file.path}, as it was received (removed)`, this.#file, actual);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
