/** How many requests came in, how many are in flight, and how many clients left before their answer. */

export class RequestCount {
  #total = 0;
  #inFlight = 0;
  #clientClosed = 0;
  readonly #onIdle: (() => void)[] = [];

  /** All requests so far, refused ones included. */
  get total(): number {
    return this.#total;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get clientClosed(): number {
    return this.#clientClosed;
  }

  started(): void {
    this.#total += 1;
    this.#inFlight += 1;
  }

  /** `sent`: whether the client took the whole answer. */
  ended({ sent }: { readonly sent: boolean }): void {
    if (!sent) this.#clientClosed += 1;
    this.#inFlight -= 1;
    if (this.#inFlight > 0) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** Bytes were refused that never became a request of the framework. */
  refused(): void {
    this.#total += 1;
  }

  /** Resolves when no request is in flight. */
  async idle(): Promise<void> {
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }
}
