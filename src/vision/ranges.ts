/** Reads parts of files of the hub. A part has no checksum, so what else can be compared is: place, size, and the file's ETag. */

import type { Response } from "undici";
import { RerankError } from "../errors.js";
import { mismatch, startHash } from "../model/checksum.js";
import { contentOf, progressBytes } from "../model/download.js";
import { printable } from "../model/hub-answers.js";
import type { HubClient, RemoteFile } from "../model/hub-client.js";
import { notTheHub } from "../model/hub-failures.js";
import { Passing, retrying } from "../model/retry.js";

export interface Range {
  readonly file: RemoteFile;
  readonly begin: number;
  readonly end: number;
}

export class RangeReader {
  readonly #client: HubClient;
  /** By address: the ETag of the first part. All parts are of one file only if it stays. */
  readonly #tags = new Map<string, string>();

  constructor(client: HubClient) {
    this.#client = client;
  }

  /** A small file as a whole, compared with its checksum. */
  async text(file: RemoteFile, maximumBytes: number): Promise<string> {
    if (file.size > maximumBytes) {
      throw new RerankError("model_invalid", `${file.path} has ${file.size} bytes, expected at most ${maximumBytes}`);
    }
    const bytes = file.size === 0 ? new Uint8Array() : await this.bytes({ file, begin: 0, end: file.size });
    const hex = startHash(file).update(bytes).digest("hex");
    if (hex !== file.checksum.hex) throw mismatch(`${file.path}, as it was received`, file, { size: bytes.length, hex });
    return Buffer.from(bytes).toString("utf8");
  }

  /** A part that is small enough for memory. */
  async bytes({ file, begin, end }: Range): Promise<Uint8Array> {
    const bytes = new Uint8Array(end - begin);
    let at = 0;
    await this.read(
      () => (at < bytes.length ? { file, begin: begin + at, end } : undefined),
      async (chunk) => {
        bytes.set(chunk, at);
        at += chunk.length;
      },
    );
    return bytes;
  }

  /** Reads what `next` names, again after each part, until it names none. `take` gets the bytes in their order. */
  async read(next: () => Range | undefined, take: (chunk: Uint8Array) => Promise<void>): Promise<void> {
    let unseen = 0;
    await retrying(this.#client.persistence, async (progressed) => {
      for (let range = next(); range; range = next()) {
        await this.#receive(range, async (chunk) => {
          await take(chunk);
          unseen += chunk.length;
          if (unseen < progressBytes) return;
          unseen = 0;
          progressed();
        });
      }
    });
  }

  /** Throws Passing when the connection ends before the range does. */
  async #receive({ file, begin, end }: Range, take: (chunk: Uint8Array) => Promise<void>): Promise<void> {
    const response = await this.#client.content(file.url, begin, end);
    const { host } = new URL(response.url || file.url);
    let at = begin;
    try {
      this.#requireRange(response, { file, begin, end }, host);
      for await (const chunk of contentOf(response, this.#client, file.url)) {
        if (at + chunk.length > end) {
          throw new RerankError(
            "checksum_mismatch",
            `${file.path}: ${host} sends more than the ${end - begin} bytes it was asked for`,
          );
        }
        at += chunk.length;
        await take(chunk);
      }
    } catch (error) {
      // What the server goes on sending is not wanted.
      await response.body?.cancel().catch(() => {});
      throw error;
    }
    if (at === end) return;
    const message = `${host} closed the connection after ${at - begin} of ${end - begin} bytes of ${file.path}`;
    throw new Passing(new RerankError("hub_unreachable", message));
  }

  #requireRange(response: Response, { file, begin, end }: Range, host: string): void {
    const whole = begin === 0 && end === file.size;
    if (response.status !== 206 && !whole) {
      if (/^text\/html\b/i.test(response.headers.get("content-type") ?? ""))
        throw notTheHub(host, `a web page in place of ${file.path}`);
      const message = `${host} does not answer range requests: it would send all ${file.size} bytes of ${file.path} for ${end - begin} of them. Set HF_ENDPOINT to a mirror that does`;
      throw new RerankError("hub_unavailable", message);
    }
    const place = response.headers.get("content-range");
    const expected = `bytes ${begin}-${end - 1}/${file.size}`;
    if (response.status === 206 && place !== expected) {
      const message = `${file.path}: ${host} sends ${place === null ? "an unnamed range" : printable(place)}, expected ${expected}`;
      throw new RerankError("checksum_mismatch", message);
    }
    const tag = response.headers.get("etag");
    if (tag === null) return;
    const first = this.#tags.get(file.url) ?? tag;
    this.#tags.set(file.url, first);
    if (tag === first) return;
    const message = `${file.path}: ${host} sends another file than before (its ETag was ${printable(first)}, is ${printable(tag)}); try again`;
    throw new RerankError("checksum_mismatch", message);
  }
}
