/** SIGTERM and SIGINT for a command that has work to finish: the first aborts a signal, the second ends the process. */

import { constants } from "node:os";

export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  #exitCode: number | undefined;

  constructor() {
    process.on("SIGTERM", this.#onSignal);
    process.on("SIGINT", this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 128 and the signal's number, as shells report it; undefined = none came. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  [Symbol.dispose](): void {
    process.off("SIGTERM", this.#onSignal);
    process.off("SIGINT", this.#onSignal);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const code = 128 + constants.signals[signal];
    if (this.#exitCode !== undefined) process.exit(code);
    this.#exitCode = code;
    this.#controller.abort();
  };
}
