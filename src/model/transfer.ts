/** How far a fetch is, and how fast it goes. */

export type TransferPhase = "fetching" | "verifying" | "waiting";

export interface Transfer {
  /** waiting: another process fetches the same file. */
  readonly phase: TransferPhase;
  /** The file at hand. */
  readonly file: string;
  /** Of all files together. */
  readonly bytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  /** undefined = not known yet. */
  readonly secondsLeft: number | undefined;
}

/** As HTTP and the log name it. */
export function transferFields({ phase, file, bytes, totalBytes, bytesPerSecond, secondsLeft }: Transfer) {
  return {
    ...{ phase, file, bytes, total_bytes: totalBytes, percent: percentOf(bytes, totalBytes) },
    bytes_per_second: Math.round(bytesPerSecond),
    ...(secondsLeft !== undefined && { seconds_left: secondsLeft }),
  };
}

/** To one decimal, and 100 only when all is there. */
function percentOf(bytes: number, totalBytes: number): number {
  return totalBytes > 0 ? Math.floor((bytes / totalBytes) * 1000) / 10 : 0;
}

/** The rate is that of the last few seconds. */
const windowMs = 5000;

/** Counts the bytes of all files together. */
export class TransferMeter {
  readonly #report: (transfer: Transfer) => void;
  readonly #totalBytes: number;
  #samples: { readonly at: number; readonly bytes: number }[] = [];
  #finished = 0;
  #phase: TransferPhase | undefined;

  constructor(totalBytes: number, report: (transfer: Transfer) => void) {
    this.#totalBytes = totalBytes;
    this.#report = report;
  }

  /** `bytes` of this file are there. */
  update(phase: TransferPhase, file: string, bytes: number): void {
    const now = performance.now();
    const all = this.#finished + bytes;
    // Hashing is many times faster than fetching: one says nothing about the other.
    if (phase !== this.#phase || all < (this.#samples.at(-1)?.bytes ?? 0)) this.#samples = [];
    this.#phase = phase;
    this.#samples = this.#samples.filter(({ at }) => now - at < windowMs);
    const oldest = this.#samples[0];
    this.#samples.push({ at: now, bytes: all });
    const elapsed = oldest ? (now - oldest.at) / 1000 : 0;
    const bytesPerSecond = oldest && elapsed > 0.2 ? (all - oldest.bytes) / elapsed : 0;
    const secondsLeft = bytesPerSecond > 0 ? Math.ceil((this.#totalBytes - all) / bytesPerSecond) : undefined;
    this.#report({ phase, file, bytes: all, totalBytes: this.#totalBytes, bytesPerSecond, secondsLeft });
  }

  /** This file is done. */
  finish(size: number): void {
    this.#finished += size;
  }
}
