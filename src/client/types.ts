/** The client's shapes: the library's, as far as HTTP carries them. */

import type { RankedDocument as LibraryDocument, RerankRequest, Timings, Usage } from "../types.js";

export type { RerankRequest };

export interface RankedDocument extends Pick<LibraryDocument, "index" | "score" | "document"> {
  /** Whether the document's end was cut to fit the model's context. */
  truncated: boolean;
}

/** From the header `Server-Timing`. */
export type ServerTimings = Pick<Timings, "queueMs" | "tokenizeMs" | "computeMs" | "totalMs">;

export interface RerankAnswer {
  /** Highest score first; ties by index, lowest first. */
  results: RankedDocument[];
  /** The model that answered. */
  model: string;
  usage: Usage;
  /** Absent where the header cannot be read: in a browser, on another origin that does not expose it. */
  timings?: ServerTimings;
  /** `X-Request-Id`, which the server's log has too; absent as `timings` is. */
  requestId?: string;
}

export type Health =
  | { status: "ok"; model: string; device: string; uptimeSeconds: number }
  | {
      status: "loading" | "draining" | "failed";
      reason: string;
      model: string;
      uptimeSeconds: number;
      /** While loading: how much is done, 0 to 1. */
      progress?: number;
    };
