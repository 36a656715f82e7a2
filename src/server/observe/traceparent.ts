/** The `traceparent` header of W3C Trace Context: which trace a request belongs to. */

/** Where the caller is in a trace. */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits: the caller's span. */
  readonly spanId: string;
  readonly flags: number;
  /** What the tracing systems on the way noted, as the header has it. */
  readonly state?: string;
}

/** undefined for a header that the recommendation calls invalid, which is to be ignored. */
export function readTraceparent(header: unknown): TraceParent | undefined {
  if (typeof header !== "string") return undefined;
  const pattern = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/;
  const [, version, traceId, spanId, flags, more] = header.trim().match(pattern) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  // Later versions may append fields.
  if (version === "00" && more !== undefined) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}
