/** A bar on stderr. It shows only on a terminal, and only after a second. */

import { type Bar, Presets, SingleBar } from "cli-progress";

const patienceMs = 1000;

export class Progress implements Disposable {
  readonly #startedAt = performance.now();
  readonly #label: string;
  readonly #total: number;
  #bar: Bar | undefined;

  constructor(label: string, total: number) {
    this.#label = label;
    this.#total = total;
  }

  update(value: number): void {
    if (this.#bar) this.#bar.update(value);
    else if (process.stderr.isTTY && performance.now() - this.#startedAt > patienceMs) this.#start(value);
  }

  [Symbol.dispose](): void {
    this.#bar?.stop();
  }

  #start(value: number): void {
    const format = `${this.#label} {bar} {percentage} % | {eta_formatted} left`;
    this.#bar = new SingleBar(
      { format, stream: process.stderr, clearOnComplete: true, hideCursor: true },
      Presets.shades_classic,
    );
    this.#bar.start(this.#total, value);
  }
}
