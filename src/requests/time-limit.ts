/** How long a request may take: when that is over, it is answered with what there is. */

/** setTimeout takes more milliseconds for one. */
const longest = 2 ** 31 - 1;

export class TimeLimit implements Disposable {
  readonly #over = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;

  /** undefined = none. */
  constructor(milliseconds: number | undefined) {
    if (milliseconds === undefined) return;
    this.#timer = setTimeout(() => this.#over.abort(), Math.min(milliseconds, longest));
  }

  /** Calls `action` when the time is over: at once when it is already. */
  whenOver(action: () => void): void {
    const { signal } = this.#over;
    if (signal.aborted) action();
    else signal.addEventListener("abort", action, { once: true });
  }

  /** What `action` resolves with, or undefined when the time is over before. The action heeds the signal that it is given. */
  async within<Value>(
    signal: AbortSignal | undefined,
    action: (signal: AbortSignal) => Promise<Value>,
  ): Promise<Value | undefined> {
    const over = this.#over.signal;
    try {
      return await action(signal ? AbortSignal.any([signal, over]) : over);
    } catch (error) {
      if (over.aborted && error === over.reason) return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
