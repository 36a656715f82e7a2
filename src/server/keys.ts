/**
 * The keys that requests may bring, from API_KEYS and from API_KEYS_FILE, which is read again when it changes. Keys are kept and
 * compared as hashes. Names may be logged, keys never. A file that becomes unreadable leaves the keys as they were.
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { type BigIntStats, closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import type { FastifyBaseLogger } from "fastify";
import { RerankError } from "../errors.js";

/** undefined: a key without a name. */
export type Caller = { readonly name: string | undefined };

interface Key extends Caller {
  readonly hash: Buffer;
}

/** As in API_KEYS: ASCII without spaces and commas. */
const keyPattern = /^[\x21-\x2b\x2d-\x7e]+$/;
const namePattern = /^[\w.-]{1,64}$/;

/** Milliseconds between two looks at the file. The system's watchers miss changes on network disks and swapped links. */
const watchMs = 2000;

/** The lines of a key file: `name:key` or `key`; empty lines and those that begin with # do not count. */
export function readKeys(text: string, path: string): readonly Key[] {
  const keys = text.split(/\r?\n/).flatMap((line, index): Key[] => {
    const trimmed = line.replace(/^\uFEFF/, "").trim();
    if (trimmed === "" || trimmed.startsWith("#")) return [];
    const colon = trimmed.indexOf(":");
    const name = colon === -1 ? undefined : trimmed.slice(0, colon).trim();
    const key = trimmed.slice(colon + 1).trim();
    if (name !== undefined && !namePattern.test(name)) {
      throw wrong(path, index, "a name of letters, digits, _, . and - before the colon");
    }
    if (!keyPattern.test(key)) throw wrong(path, index, "a key of ASCII without spaces and commas");
    return [{ name, hash: hash(key) }];
  });
  if (keys.length > 0) return keys;
  throw new RerankError(
    "invalid_option",
    `API_KEYS_FILE: ${path} holds no key; expected one a line, as name:key or key. Without keys everybody could ask`,
  );
}

/** Names the line and what was expected, never what the line holds. */
function wrong(path: string, index: number, expected: string): RerankError {
  return new RerankError("invalid_option", `API_KEYS_FILE: ${path}, line ${index + 1}: expected ${expected}, got something else`);
}

export interface KeySource {
  readonly keys?: readonly string[];
  readonly file?: string;
}

export interface KeyEvents {
  readonly onReloaded: (count: number) => void;
  readonly onError: (error: unknown) => void;
}

/** Tells a log of every reload. */
export function logReloads(log?: FastifyBaseLogger): KeyEvents {
  return {
    onReloaded: (count) => log?.info({ keys: count }, "API_KEYS_FILE was read again"),
    onError: (error) => log?.error({ err: error }, "API_KEYS_FILE was not taken; the keys stay as they were"),
  };
}

export class Keys implements Disposable {
  readonly #given: readonly Key[];
  readonly #file: string | undefined;
  #fromFile: KeyFile | undefined;
  #timer: NodeJS.Timeout | undefined;
  #events: KeyEvents = { onReloaded: () => {}, onError: () => {} };

  /** Throws invalid_option for a file that cannot be read or holds no key. */
  constructor({ keys = [], file }: KeySource) {
    this.#given = keys.map((key) => ({ name: undefined, hash: hash(key) }));
    this.#file = file;
    this.#fromFile = file === undefined ? undefined : readFile(file);
  }

  /** Whether requests need a key. */
  get wanted(): boolean {
    return this.#given.length > 0 || this.#file !== undefined;
  }

  /** Who has this key; undefined = nobody. */
  caller(given: string): Caller | undefined {
    const hashed = hash(given);
    let found: Caller | undefined;
    // Every key is compared, so that the time does not tell which one it was.
    for (const key of [...this.#given, ...(this.#fromFile?.keys ?? [])])
      if (timingSafeEqual(key.hash, hashed)) found = { name: key.name };
    return found;
  }

  /** Reads the file again when it changes; until disposed. */
  watch(events: KeyEvents, intervalMs = watchMs): void {
    this.#events = events;
    if (this.#file !== undefined) this.#timer = setInterval(() => this.#reloadChanged(), intervalMs).unref();
  }

  async #reloadChanged(): Promise<void> {
    const now = this.#file && (await stat(this.#file, { bigint: true }).then(version, () => "unreadable"));
    if (now === this.#fromFile?.version) return;
    // A wrong file is told of once, not at every look.
    if (now !== undefined && this.#fromFile) this.#fromFile = { ...this.#fromFile, version: now };
    this.reload();
  }

  reload(): void {
    if (this.#file === undefined) return;
    try {
      this.#fromFile = readFile(this.#file);
      this.#events.onReloaded(this.#fromFile.keys.length);
    } catch (error) {
      this.#events.onError(error);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

interface KeyFile {
  readonly keys: readonly Key[];
  /** Changes when the path leads to another file, and when the file is written. */
  readonly version: string;
}

function version({ dev, ino, size, mtimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs].join();
}

function readFile(path: string): KeyFile {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    // The version of the opened file: the path may lead to another one by now.
    const read = version(fstatSync(file, { bigint: true }));
    return { keys: readKeys(readFileSync(file, "utf8"), path), version: read };
  } catch (error) {
    if (error instanceof RerankError) throw error;
    const code = error instanceof Error && "code" in error ? error.code : String(error);
    throw new RerankError("invalid_option", `API_KEYS_FILE: ${path} cannot be read: ${code}`, { cause: error });
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function hash(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
