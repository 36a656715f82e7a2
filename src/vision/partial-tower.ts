/**
 * The unfinished GGUF of a vision tower. Beside it lies a record: how much of the source is in it, and the checksum of the file up
 * to there. The record is written after the data is on the disk, so it never promises too much, wherever a process or the machine
 * stopped; a file that does not agree with its record is begun again.
 */

import { createHash, type Hash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { type FileHandle, lstat, readFile, rm } from "node:fs/promises";
import { type Static, Type } from "typebox";
import { Check } from "typebox/value";
import { openToContinue, writeAt } from "../files/write-at.js";
import { writeAtomically } from "../files/write-atomically.js";
import { convert, nextPiece, wholeBlocks } from "./convert.js";
import { bf16Bytes, type Layout, type Step } from "./layout.js";

/** A killed process loses the source bytes of at most so many bytes of the GGUF. */
const recordEveryBytes = 4 * 2 ** 20;

const Record = Type.Object({
  /** Steps that are in the file as a whole, and bytes of the next one's source. */
  steps: Type.Integer({ minimum: 0 }),
  bytes: Type.Integer({ minimum: 0 }),
  /** Of the GGUF. */
  size: Type.Integer({ minimum: 0 }),
  sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
});

export class PartialTower implements AsyncDisposable {
  readonly #path: string;
  readonly #layout: Layout;
  readonly #handle: FileHandle;
  /** Aborts when this process loses the lock: then another one may be writing. */
  readonly #lost: AbortSignal;
  #hash: Hash = createHash("sha256");
  #size = 0;
  /** `size` of the record that is on the disk. */
  #recorded = 0;
  #index = 0;
  /** Bytes of the step's source that are converted. */
  #converted = 0;
  /** Source bytes that wait until a piece is complete. They outlive a broken connection, so they are not asked for again. */
  readonly #piece: Uint8Array;
  #waiting = 0;

  private constructor(path: string, layout: Layout, handle: FileHandle, lost: AbortSignal) {
    this.#path = path;
    this.#layout = layout;
    this.#handle = handle;
    this.#lost = lost;
    const largest = layout.steps.reduce((most, step) => Math.max(most, nextPiece(step, step.end - step.begin)), 0);
    this.#piece = new Uint8Array(largest);
  }

  /** `onBytes` gets the number of bytes of an earlier process's file that were read since its last call. */
  static async open(path: string, layout: Layout, lost: AbortSignal, onBytes: (bytes: number) => void): Promise<PartialTower> {
    const present = await lstat(path).catch(() => undefined);
    // The target of a link is not ours to write.
    if (present?.isSymbolicLink()) await rm(path);
    const handle = await openToContinue(path, constants.O_NOFOLLOW ?? 0);
    const tower = new PartialTower(path, layout, handle, lost);
    try {
      if (!(await tower.#continue(onBytes))) await tower.#begin();
      return tower;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** What comes next; undefined = everything is there. */
  get next(): { readonly file: number; readonly begin: number; readonly end: number } | undefined {
    const { steps } = this.#layout;
    const step = steps[this.#index];
    if (!step) return undefined;
    let { end } = step;
    // Steps that lie one behind the other are one request.
    for (let index = this.#index + 1; steps[index]?.file === step.file && steps[index]?.begin === end; index++) {
      end = steps[index]?.end ?? end;
    }
    return { file: step.file, begin: step.begin + this.#converted + this.#waiting, end };
  }

  /** Source bytes that need not be asked for again. */
  get sourceBytes(): number {
    const done = this.#layout.steps.slice(0, this.#index).reduce((sum, { begin, end }) => sum + end - begin, 0);
    return done + this.#converted + this.#waiting;
  }

  /** Takes the source bytes that `next` asked for. */
  async write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const step = this.#layout.steps[this.#index];
      if (!step) throw new RangeError("more bytes than the tensors have");
      const wanted = nextPiece(step, this.#left(step));
      const taken = chunk.subarray(at, at + wanted - this.#waiting);
      this.#piece.set(taken, this.#waiting);
      this.#waiting += taken.length;
      at += taken.length;
      if (this.#waiting === wanted) await this.#convert(step, wanted);
    }
    if (this.#size - this.#recorded >= recordEveryBytes) await this.#record();
  }

  /** Flushes the complete file to the disk. Returns its checksum. */
  async finish(): Promise<string> {
    if (this.#size !== this.#layout.size)
      throw new RangeError(`${this.#path} has ${this.#size} bytes, expected ${this.#layout.size}`);
    await this.#handle.datasync();
    return this.#hash.copy().digest("hex");
  }

  /** Keeps what is there for the next process. That it cannot is no error to report: there is an earlier one. */
  async [Symbol.asyncDispose](): Promise<void> {
    const step = this.#layout.steps[this.#index];
    if (step && !this.#lost.aborted) await this.#keep(step).catch(() => {});
    await this.#handle.close();
  }

  async #keep(step: Step): Promise<void> {
    const bytes = wholeBlocks(step, this.#waiting);
    if (bytes > 0) await this.#convert(step, bytes);
    if (this.#size > this.#recorded) await this.#record();
  }

  #left({ begin, end }: Step): number {
    return end - begin - this.#converted;
  }

  async #convert(step: Step, bytes: number): Promise<void> {
    const last = bytes === this.#left(step);
    await this.#append(convert(step, new Uint16Array(this.#piece.buffer, 0, bytes / bf16Bytes), last));
    this.#piece.copyWithin(0, bytes, this.#waiting);
    this.#waiting -= bytes;
    this.#converted = last ? 0 : this.#converted + bytes;
    if (last) this.#index += 1;
  }

  async #append(bytes: Uint8Array): Promise<void> {
    this.#lost.throwIfAborted();
    await writeAt(this.#handle, bytes, this.#size);
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  async #record(): Promise<void> {
    await this.#handle.datasync();
    const record: Static<typeof Record> = {
      ...{ steps: this.#index, bytes: this.#converted },
      ...{ size: this.#size, sha256: this.#hash.copy().digest("hex") },
    };
    await writeAtomically(recordPath(this.#path), `${JSON.stringify(record)}\n`);
    this.#recorded = this.#size;
  }

  /** False when there is nothing to continue, or it does not agree with its record. */
  async #continue(onBytes: (bytes: number) => void): Promise<boolean> {
    const record = await readRecord(this.#path);
    if (!record || record.steps > this.#layout.steps.length || (await this.#handle.stat()).size < record.size) return false;
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(this.#path, { end: record.size - 1, highWaterMark: 2 ** 20 })) {
      hash.update(chunk);
      onBytes(chunk.length);
    }
    if (hash.copy().digest("hex") !== record.sha256) return false;
    this.#hash = hash;
    this.#size = record.size;
    this.#recorded = record.size;
    this.#index = record.steps;
    this.#converted = record.bytes;
    await this.#handle.truncate(record.size);
    return true;
  }

  async #begin(): Promise<void> {
    await removeRecord(this.#path);
    await this.#handle.truncate(0);
    await this.#append(this.#layout.header);
  }
}

/** Call it when the file at this path has moved to its place. */
export async function removeRecord(path: string): Promise<void> {
  await rm(recordPath(path), { force: true });
}

function recordPath(path: string): string {
  return `${path}.record.json`;
}

async function readRecord(path: string): Promise<Static<typeof Record> | undefined> {
  const text = await readFile(recordPath(path), "utf8").catch(() => "");
  try {
    const record: unknown = JSON.parse(text);
    return Check(Record, record) && record.size > 0 ? record : undefined;
  } catch {
    return undefined;
  }
}
