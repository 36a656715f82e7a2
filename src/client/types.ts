/** The client's types: those of the library, with the fields that HTTP carries. */

import type { RankedDocument as LibraryDocument, RerankRequest, Timings, Usage } from "../types.js";

export type { RerankRequest };

export interface RankedDocument extends Pick<LibraryDocument, "index" | "score" | "document"> {
  /** Whether the document was cut to fit the model's context. */
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
  /** Absent where a browser hides the header: on another origin that does not expose it. */
  timings?: ServerTimings;
  /** `X-Request-Id`; the server's log has it too. Absent in the same cases as `timings`. */
  requestId?: string;
}

export type Health =
  | { status: "ok"; model: string; device: string; uptimeSeconds: number }
  | {
      status: "loading" | "draining" | "failed";
      reason: string;
      model: string;
      uptimeSeconds: number;
      /** While loading: the part that is done, 0 to 1. */
      progress?: number;
    };
