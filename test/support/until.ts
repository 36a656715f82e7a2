/**
 * Waits for what has no event of its own: a counter that moves on another thread. The limit only keeps a broken test
 * from hanging.
 */

import { vi } from "vitest";

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  await vi.waitUntil(condition, { timeout: 60_000, interval: 5 });
}
