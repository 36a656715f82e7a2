/** The client's types: those of the library, with the fields that HTTP carries. */

import type { RankedDocument as LibraryDocument, RerankRequest as LibraryRequest, Timings, Usage } from "../types.js";

/**
 * An image: its bytes, or `data`, which is what HTTP carries: a data: URI, base64, or a URL of a host that the service allows. Not a
 * path, which the library takes: no service reads files that a client names.
 */
export interface ImageInput {
  readonly image: Uint8Array | { readonly data: string };
}

/** What a query or a document may be. */
export type Content = string | ImageInput;

export interface RerankRequest<Document extends Content = string>
  extends Pick<
    LibraryRequest<Document>,
    "documents" | "topK" | "minScore" | "instruction" | "passages" | "timeoutMs" | "signal"
  > {
  query: Content;
}

export interface RankedDocument<Document extends Content = string>
  extends Pick<LibraryDocument<Document>, "index" | "score" | "document" | "passage"> {
  /** Whether the document was cut to fit the model's context. */
  truncated: boolean;
}

/** From the header `Server-Timing`. */
export type ServerTimings = Pick<Timings, "queueMs" | "tokenizeMs" | "computeMs" | "totalMs">;

export interface RerankAnswer<Document extends Content = string> {
  /** Highest score first; ties by index, lowest first. */
  results: RankedDocument<Document>[];
  /** With timeoutMs: positions of the documents without a score, ascending. */
  unscored?: number[];
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
