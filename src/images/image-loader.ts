/**
 * From what stands for an image to the pixels that the model sees. Sizes, formats and headers are checked here; the bytes are
 * decoded and resized in processes of their own.
 */

import { setMaxListeners } from "node:events";
import { RerankError } from "../errors.js";
import { decoderEntry } from "./decoder-entry.js";
import { DecoderPool } from "./decoder-pool.js";
import type { LoadedImage, PixelLimits } from "./decoder-protocol.js";
import { fetchImage } from "./fetch-image.js";
import { readHeader } from "./header.js";
import { maximumTokens, targetSize } from "./size.js";
import { checkBytes, type ImageSource, parseSource, readImageFile } from "./source.js";
import { Turns } from "./turns.js";

export interface ImageLimits extends PixelLimits {
  /** Bytes of an image as it was sent, or as it lies in its file. */
  readonly maxBytes: number;
  /** Hosts from which images are fetched; see FetchLimits. */
  readonly hosts: readonly string[];
  readonly fetchMs: number;
  /** Of decoding and resizing. 50 million pixels take 4 s, and far longer while scores are computed on the same cores. */
  readonly decodeMs: number;
}

export const defaultLimits: ImageLimits = {
  maxBytes: 10 * 2 ** 20,
  maxPixels: 50_000_000,
  maxTokens: maximumTokens,
  hosts: [],
  fetchMs: 10_000,
  decodeMs: 120_000,
};

/** An image, and the name of the field that holds it, such as `documents[3]`, with which an error begins. */
export interface NamedImage {
  readonly field: string;
  readonly source: ImageSource;
}

const fetchesAtOnce = 4;
/** Images of one call that wait for a fetch or a decoder: those of others come between. */
const ofOneCallAtOnce = 4;

export class ImageLoader implements Disposable {
  readonly #limits: ImageLimits;
  readonly #decoders: DecoderPool;
  readonly #fetching = new Turns(fetchesAtOnce);

  constructor(limits: Partial<ImageLimits> = {}, decoder = decoderEntry) {
    this.#limits = { ...defaultLimits, ...limits };
    this.#decoders = new DecoderPool(decoder, this.#limits.decodeMs);
  }

  /** Throws images_not_supported when images cannot be read on this machine; for a service that is about to start. */
  check(): Promise<void> {
    return this.#decoders.check();
  }

  /** In the order of the list. Throws the first error that occurs, and then loads no more. */
  async loadAll(images: readonly NamedImage[], signal?: AbortSignal): Promise<LoadedImage[]> {
    const failed = new AbortController();
    const ended = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
    // Each image that waits listens; Node warns of more than ten.
    setMaxListeners(0, ended);
    try {
      const own = new Turns(ofOneCallAtOnce);
      return await Promise.all(images.map((image) => own.take(ended, () => this.load(image, ended))));
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  }

  /** Throws RerankError, or the signal's reason. */
  async load({ field, source }: NamedImage, signal?: AbortSignal): Promise<LoadedImage> {
    try {
      signal?.throwIfAborted();
      const { maxPixels, maxTokens } = this.#limits;
      const bytes = await this.#bytes(source, signal);
      const header = readHeader(bytes);
      const { width, height, format } = header;
      if (width * height > maxPixels) {
        throw new RerankError("image_too_large", `expected at most ${maxPixels} pixels, got a ${format} of ${width}×${height}`);
      }
      // Refuses strips.
      targetSize(header, maxTokens);
      return await this.#decoders.decode({ bytes, maxPixels, maxTokens }, signal);
    } catch (error) {
      // Of other errors, such as `closed`, the image is not the cause.
      if (!(error instanceof RerankError) || error.status !== 422) throw error;
      throw new RerankError(error.code, `${field}: ${error.message}`, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    this.#decoders[Symbol.dispose]();
  }

  async #bytes(source: ImageSource, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { maxBytes, hosts, fetchMs } = this.#limits;
    if (source instanceof Uint8Array) {
      checkBytes(source.length, maxBytes);
      return source;
    }
    if (typeof source === "object") return readImageFile(source.path, maxBytes, signal);
    const parsed = parseSource(source, maxBytes);
    if ("bytes" in parsed) return parsed.bytes;
    const limits = { hosts, maxBytes, timeoutMs: fetchMs };
    return this.#fetching.take(signal, () => fetchImage(parsed.url, limits, signal));
  }
}
