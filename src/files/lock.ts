/** A lock between processes, also of machines that share a disk. The lock of a dead process is taken over. */

import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { lock } from "proper-lockfile";

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called twice a second while another process holds the lock. */
  readonly onWaiting: () => void;
}

/** A holder touches its lock regularly. A lock that was not touched for this long has no holder. */
const staleMs = 6000;

/** Runs `action` while holding the lock. The signal aborts when the lock is lost, for example because the machine slept. */
export async function withLock<Value>(
  path: string,
  { signal, onWaiting }: LockOptions,
  action: (lost: AbortSignal) => Promise<Value>,
): Promise<Value> {
  await mkdir(dirname(path), { recursive: true });
  const lost = new AbortController();
  const onCompromised = (error: Error) => lost.abort(error);
  for (;;) {
    const release = await lock(path, { realpath: false, stale: staleMs, update: staleMs / 3, onCompromised }).catch(unlessHeld);
    if (release) {
      try {
        return await action(lost.signal);
      } finally {
        // A lost lock cannot be released.
        await release().catch(() => {});
      }
    }
    onWaiting();
    await delay(500, undefined, signal && { signal });
  }
}

function unlessHeld(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "ELOCKED") return undefined;
  throw error;
}
