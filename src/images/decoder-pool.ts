/** Decoder processes: started when an image comes, at most two, and ended when none has come for a while. */

import { RerankError } from "../errors.js";
import { DecoderProcess } from "./decoder-process.js";
import type { DecodeRequest, LoadedImage } from "./decoder-protocol.js";
import { Turns } from "./turns.js";

/** Each takes 250 to 500 MB for an image of 50 million pixels, depending on its format, and 100 MB before and after. */
const decodersAtOnce = 2;
const idleMs = 30_000;

interface Idle {
  readonly decoder: DecoderProcess;
  readonly timer: NodeJS.Timeout;
}

export class DecoderPool implements Disposable {
  readonly #entry: URL;
  readonly #decodeMs: number;
  readonly #turns = new Turns(decodersAtOnce);
  readonly #busy = new Set<DecoderProcess>();
  #idle: readonly Idle[] = [];
  #closed = false;

  constructor(entry: URL, decodeMs: number) {
    this.#entry = entry;
    this.#decodeMs = decodeMs;
  }

  /** Throws images_not_supported when there is no sharp. */
  check(): Promise<void> {
    return this.#with(undefined, (decoder) => decoder.ready);
  }

  decode(request: DecodeRequest, signal?: AbortSignal): Promise<LoadedImage> {
    return this.#with(signal, (decoder) => decoder.decode(request, this.#decodeMs, signal));
  }

  /** What is being decoded, and what waits for it, fails with `closed`. */
  [Symbol.dispose](): void {
    this.#closed = true;
    for (const decoder of this.#busy) decoder.end();
    for (const { decoder, timer } of this.#idle) {
      clearTimeout(timer);
      decoder.end();
    }
    this.#idle = [];
  }

  #with<Value>(signal: AbortSignal | undefined, action: (decoder: DecoderProcess) => Promise<Value>): Promise<Value> {
    return this.#turns.take(signal, async () => {
      this.#requireOpen();
      const decoder = this.#take() ?? new DecoderProcess(this.#entry);
      this.#busy.add(decoder);
      try {
        return await action(decoder);
      } catch (error) {
        this.#requireOpen();
        throw error;
      } finally {
        this.#busy.delete(decoder);
        if (!this.#closed) this.#keep(decoder);
      }
    });
  }

  #requireOpen(): void {
    if (this.#closed) throw new RerankError("closed", "the image loader was closed");
  }

  #take(): DecoderProcess | undefined {
    const usable = this.#idle.filter(({ decoder }) => !decoder.ended);
    const last = usable.at(-1);
    clearTimeout(last?.timer);
    this.#idle = usable.slice(0, -1);
    return last?.decoder;
  }

  #keep(decoder: DecoderProcess): void {
    const timer = setTimeout(() => {
      decoder.end();
      this.#idle = this.#idle.filter((idle) => idle.decoder !== decoder);
    }, idleMs).unref();
    this.#idle = [...this.#idle, { decoder, timer }];
  }
}
