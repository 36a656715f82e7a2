/** Shows a fetch on stderr: a moving bar on a terminal, elsewhere a line every few seconds. */

import { type Bar, Presets, SingleBar } from "cli-progress";
import type { Transfer } from "../model/transfer.js";
import type { Logger } from "../types.js";

const lineEveryMs = 3000;

export class TransferDisplay implements Disposable, Logger {
  readonly #line: (transfer: Transfer) => void;
  #latest: Transfer | undefined;
  #bar: Bar | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `line` is called where there is no terminal. */
  constructor(line: (transfer: Transfer) => void) {
    this.#line = line;
  }

  update(transfer: Transfer): void {
    this.#latest = transfer;
    if (process.stderr.isTTY) this.#draw(transfer);
    else this.#timer ??= this.#startLines();
  }

  /** Writes a line, which takes the place of the bar until the next update. */
  info(line: string): void {
    this.#bar?.stop();
    this.#bar = undefined;
    process.stderr.write(`jina-reranker: ${line}\n`);
  }

  warn(line: string): void {
    this.info(line);
  }

  [Symbol.dispose](): void {
    this.#bar?.stop();
    this.#bar = undefined;
    clearInterval(this.#timer);
  }

  #draw(transfer: Transfer): void {
    const { phase, file, bytes, totalBytes, bytesPerSecond, secondsLeft } = transfer;
    const payload = {
      ...{ phase, file, done: size(bytes), all: size(totalBytes), rate: `${size(bytesPerSecond)}/s` },
      left: secondsLeft === undefined ? "…" : duration(secondsLeft),
    };
    if (!this.#bar) {
      const format = "{phase} {file} {bar} {percentage} % | {done} of {all} | {rate} | {left} left";
      // Ctrl-C in the middle must not leave a terminal without a cursor.
      const options = { format, stream: process.stderr, clearOnComplete: true, hideCursor: false, barsize: 20 };
      this.#bar = new SingleBar(options, Presets.shades_classic);
      this.#bar.start(totalBytes, bytes, payload);
    } else {
      this.#bar.setTotal(totalBytes);
      this.#bar.update(bytes, payload);
    }
  }

  #startLines(): NodeJS.Timeout {
    const show = () => {
      if (this.#latest) this.#line(this.#latest);
    };
    show();
    return setInterval(show, lineEveryMs).unref();
  }
}

/** The transfer as one line of text. */
export function transferLine({ phase, file, bytes, totalBytes, bytesPerSecond, secondsLeft }: Transfer): string {
  const percent = totalBytes > 0 ? Math.floor((bytes / totalBytes) * 100) : 0;
  const left = secondsLeft === undefined ? "" : `, ${size(bytesPerSecond)}/s, ${duration(secondsLeft)} left`;
  return `${phase} ${file}: ${size(bytes)} of ${size(totalBytes)}, ${percent} %${left}`;
}

export function size(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

function duration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds} s` : `${minutes} min ${seconds % 60} s`;
}
