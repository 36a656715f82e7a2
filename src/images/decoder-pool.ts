/** Decoder processes: started when an image comes, at most two, and ended when none has come for a while. */

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
  readonly #closed = new AbortController();
  #idle: readonly Idle[] = [];

  constructor(entry: URL, decodeMs: number) {
    this.#entry = entry;
    this.#decodeMs = decodeMs;
  }

  /** Throws images_not_supported when there is no sharp. */
  check(): Promise<void> {
    return this.#with(undefined, (decoder) => decoder.ready);
  }

  decode(request: DecodeRequest, signal?: AbortSignal): Promise<LoadedImage> {
    const ended = AbortSignal.any([this.#closed.signal, ...(signal ? [signal] : [])]);
    return this.#with(ended, (decoder) => decoder.decode(request, this.#decodeMs, ended));
  }

  /** What is being decoded fails. */
  [Symbol.dispose](): void {
    this.#closed.abort(new Error("the image loader was closed"));
    for (const { decoder, timer } of this.#idle) {
      clearTimeout(timer);
      decoder.end();
    }
    this.#idle = [];
  }

  #with<Value>(signal: AbortSignal | undefined, action: (decoder: DecoderProcess) => Promise<Value>): Promise<Value> {
    return this.#turns.take(signal, async () => {
      const decoder = this.#take() ?? new DecoderProcess(this.#entry);
      try {
        return await action(decoder);
      } finally {
        if (this.#closed.signal.aborted) decoder.end();
        else this.#keep(decoder);
      }
    });
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
