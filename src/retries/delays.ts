/** How long to wait before a request is sent again, the same for the client and for downloads. Pure, and for browsers too. */

export interface Backoff {
  /** Wait before the second try; each later wait is twice as long. */
  readonly firstMs: number;
  /** Longest wait. */
  readonly longestMs: number;
}

/** Milliseconds after this many failures in a row, at least 1. */
export function backoffMs({ firstMs, longestMs }: Backoff, failures: number): number {
  return Math.min(firstMs * 2 ** (failures - 1), longestMs);
}

/**
 * Milliseconds from the header Retry-After, which holds seconds or a date; undefined = there is none, or something else. A date is
 * compared with the server's own clock where its header `Date` can be read.
 */
export function retryAfterMs(headers: { get(name: string): string | null }): number | undefined {
  const text = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const now = Date.parse(headers.get("date") ?? "");
  const ms = Date.parse(text) - (Number.isNaN(now) ? Date.now() : now);
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
