/**
 * One file, streamed to `<blob>.partial`, which becomes `<blob>` only when its size and checksum are right. What is there of an
 * earlier, cut fetch is gone on from, also by another process later.
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
  /** Bytes of the file that are on disk. */
  readonly onBytes: (bytes: number) => void;
  /** Aborts when the lock is lost. */
  readonly lost: AbortSignal;
}

export function partialPath(blobPath: string): string {
  return `${blobPath}.partial`;
}

export async function download(client: HubClient, file: RemoteFile, blobPath: string, events: DownloadEvents): Promise<void> {
  const partial = partialPath(blobPath);
  try {
    await mkdir(dirname(blobPath), { recursive: true });
    await checkRoom(partial, file);
    const sink = await Sink.open(partial, file, events);
    try {
      const whole = () => retrying(client.persistence, (progressed) => receive(client, file, sink, progressed));
      await whole();
      // What an earlier process left may have been damaged since: then it is all fetched once more.
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

async function checkRoom(partial: string, { path, size }: RemoteFile): Promise<void> {
  const present = await lstat(partial).catch(() => undefined);
  const { bavail, bsize } = await statfs(dirname(partial));
  const missing = size - (present?.isFile() ? present.size : 0);
  if (missing <= bavail * bsize) return;
  const message = `${path} needs ${missing} bytes, ${bavail * bsize} are free in ${dirname(partial)}; make room, or choose another disk with HF_HUB_CACHE`;
  throw new RerankError("disk_full", message);
}

/** From where the sink is to the file's end, or as far as it gets. */
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
  const message = `${host} ended ${file.path} after ${sink.bytes} of ${file.size} bytes, and the connection with it`;
  throw new Passing(new RerankError("hub_unreachable", message));
}

/** The body; an exception while reading it is the network's, one while writing it is not. */
async function* contentOf(response: Response, client: HubClient, url: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) yield chunk;
  } catch (error) {
    throw client.failure(error, url);
  }
}

/** What is here already is given up only for what may be the file. */
async function begin(response: Response, chunk: Uint8Array, file: RemoteFile, sink: Sink): Promise<void> {
  const { host } = new URL(response.url || file.url);
  // A server that knows no ranges sends all of it.
  const fromStart = response.status !== 206;
  if (fromStart && isWebPage(chunk)) throw notTheHub(host, `a web page (HTML) in place of ${file.path}`);
  checkLength(response, file, fromStart ? 0 : sink.bytes);
  if (fromStart && sink.bytes > 0) await sink.restart();
}

/** What the server says it sends must be the file from `start` to its end. */
function checkLength(response: Response, { path, size, url }: RemoteFile, start: number): void {
  const header = response.headers.get(response.status === 206 ? "content-range" : "content-length");
  if (header === null) return;
  const expected = response.status === 206 ? `bytes ${start}-${size - 1}/${size}` : String(size);
  if (header === expected) return;
  const message = `${path}: ${new URL(response.url || url).host} sends ${printable(header)} bytes, expected ${expected}`;
  throw new RerankError("checksum_mismatch", message.replace("bytes bytes", "bytes"));
}

/** Less does not count as progress: a byte a try would be asked for without end. */
const progressBytes = 65_536;

/** The partial file and the checksum of what is in it. */
class Sink {
  readonly #handle: FileHandle;
  readonly #file: RemoteFile;
  readonly #events: DownloadEvents;
  #hash: Hash;
  #bytes: number;
  /** Where it last counted as having got further: a server that begins anew every time gets nowhere until it is well past this. */
  #reached: number;
  /** Whether a part of it is an earlier process's. */
  #resumed = false;

  private constructor(handle: FileHandle, file: RemoteFile, events: DownloadEvents, hash: Hash, bytes: number) {
    this.#handle = handle;
    this.#file = file;
    this.#events = events;
    this.#hash = hash;
    this.#bytes = bytes;
    this.#reached = bytes;
  }

  /** Goes on from what is in the file, if that can be a part of it. A link is never followed: what it leads to is not ours. */
  static async open(path: string, file: RemoteFile, events: DownloadEvents): Promise<Sink> {
    const present = await lstat(path).catch(() => undefined);
    if (present?.isSymbolicLink()) await rm(path);
    // Windows has no such flag.
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

  /** Whether the file is further than it ever was, by more than a drop. */
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

  /** Once all is there: on the disk, and right. Throws checksum_mismatch. */
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
