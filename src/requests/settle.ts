/** Waits for a job of the engine. */

interface Job<Result> {
  readonly result: Promise<Result>;
  cancel(): boolean;
}

/** The job's result, or the signal's reason as soon as it aborts. The caller hears of it before the job is cancelled. */
export async function settle<Result>(job: Job<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (!signal) return job.result;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(signal.reason);
      job.cancel();
    };
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([job.result, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener("abort", onAbort);
  }
}
