/** Progress and speed of fetching a model's files. */

export type TransferPhase = "fetching" | "verifying" | "waiting";

export interface Transfer {
  /** waiting = another process is fetching the same file. */
  readonly phase: TransferPhase;
  /** The file that this report is about. */
  readonly file: string;
  /** All files together, as totalBytes. */
  readonly bytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  /** undefined = the speed is not known yet. */
  readonly secondsLeft: number | undefined;
}

/** The fields as /health and the log name them. */
export function transferFields({ phase, file, bytes, totalBytes, bytesPerSecond, secondsLeft }: Transfer) {
  return {
    ...{ phase, file, bytes, total_bytes: totalBytes, percent: percentOf(bytes, totalBytes) },
    bytes_per_second: Math.round(bytesPerSecond),
    ...(secondsLeft !== undefined && { seconds_left: secondsLeft }),
  };
}

/** Rounded down to one decimal, so 100 means complete. */
function percentOf(bytes: number, totalBytes: number): number {
  return totalBytes > 0 ? Math.floor((bytes / totalBytes) * 1000) / 10 : 0;
}

/** The speed is measured over this time. */
const windowMs = 5000;

/** Adds up the files' bytes, measures the speed and reports both. */
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

  /** Call it with the bytes of this file that are done in this phase. */
  update(phase: TransferPhase, file: string, bytes: number): void {
    const now = performance.now();
    const all = this.#finished + bytes;
    // Verifying is much faster than fetching, so the speed is measured for each phase.
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

  /** Call it when a file is done. */
  finish(size: number): void {
    this.#finished += size;
  }
}
