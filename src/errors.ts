/**
 * The one table of the errors that a caller can meet. The library throws RerankError with the code, the server answers with the
 * status. docs/http.md repeats the table, and a test compares the two.
 */

import type { NativeErrorCode } from "../binding.js";

export interface ErrorDescription {
  /** HTTP status the server answers with. */
  readonly status: number;
  /** When it happens, in the words of docs/http.md. */
  readonly when: string;
  /** The only place where it shows; absent = answers of the service have it. */
  readonly only?: "start" | "library" | "log";
}

export const errorTable = {
  invalid_json: { status: 400, when: "The body is not JSON in UTF-8, or not compressed as `Content-Encoding` says." },
  invalid_request: { status: 400, when: "A field is missing or wrong; the message names it, what was expected and what came." },
  unauthorized: {
    status: 401,
    when: "API_KEYS or API_KEYS_FILE is set and the request has none of the keys, as `Authorization: Bearer`, `X-Api-Key` or `Api-Key`.",
  },
  not_found: { status: 404, when: "No such route." },
  method_not_allowed: { status: 405, when: "The route exists, the method does not; `Allow` lists those that do." },
  request_timeout: { status: 408, when: "The request did not arrive in full within REQUEST_TIMEOUT_MS." },
  body_too_large: { status: 413, when: "The body exceeds BODY_LIMIT_MB, as sent or unpacked." },
  unsupported_media_type: {
    status: 415,
    when: "The body is not `application/json`, or compressed with something else than gzip, deflate or br.",
  },
  expectation_failed: { status: 417, when: "`Expect` asks for something other than `100-continue`." },
  empty_query: { status: 422, when: "The query is empty or only white space." },
  empty_documents: { status: 422, when: "The list of documents is empty." },
  too_many_documents: {
    status: 422,
    when: "More documents than MAX_DOCUMENTS, more passages than MAX_QUEUED_PAIRS, or far more items and fields in a body.",
  },
  query_too_long: { status: 422, when: "The query alone, or with the instruction, leaves no room for a document in CTX_SIZE." },
  document_too_long: { status: 422, when: "A document would have to be cut and the request allows no cut." },
  images_not_supported: {
    status: 422,
    when: "The query or a document is an image, and no vision tower was loaded: set IMAGES=true after `jina-reranker download --vision`, or MMPROJ_PATH; or the package sharp, which reads images, is missing.",
  },
  image_invalid: {
    status: 422,
    when: "An image is not a JPEG, PNG, WebP or GIF that can be read, or not strict base64, or its sides differ more than 200 times.",
  },
  image_too_large: { status: 422, when: "An image has more than IMAGE_MAX_MB or IMAGE_MAX_PIXELS." },
  too_many_images: { status: 422, when: "More images than MAX_IMAGES." },
  image_url_not_allowed: {
    status: 422,
    when: "IMAGE_URLS does not allow the image's URL, or its host has an address that is not public.",
  },
  image_unreachable: {
    status: 422,
    when: "The image's URL does not answer with the image within the time allowed, or its file cannot be read.",
  },
  queue_full: {
    status: 429,
    when: "MAX_QUEUED_PAIRS are waiting, or the answer would come later than REQUEST_TIMEOUT_MS; nothing of the request was computed; `Retry-After` says when to try again.",
  },
  headers_too_large: { status: 431, when: "The headers exceed 16 KiB." },
  client_closed: { status: 499, only: "log", when: "The client left before the answer." },
  cancelled: { status: 499, only: "library", when: "The request was cancelled." },
  engine_error: { status: 500, when: "The engine failed; the log says why." },
  invalid_score: { status: 500, when: "The model produced a score that is not a number." },
  loading: { status: 503, when: "The model is still being loaded; with `Retry-After`." },
  draining: { status: 503, when: "The server is shutting down; with `Retry-After`." },
  overloaded: {
    status: 503,
    when: "The event loop lags or memory is short, beyond MAX_EVENT_LOOP_DELAY_MS or MAX_RSS_MB; with `Retry-After`.",
  },
  closed: { status: 503, when: "The reranker was closed." },
  timeout: { status: 504, when: "REQUEST_TIMEOUT_MS passed before the answer." },
  invalid_option: {
    status: 500,
    only: "start",
    when: "An option, flag or variable is wrong; the message names it, its value and what is allowed.",
  },
  model_not_found: {
    status: 500,
    only: "start",
    when: "The file of the model, the score head or the vision tower does not exist.",
  },
  model_invalid: {
    status: 500,
    only: "start",
    when: "The file is not a GGUF, is truncated, is not a model that can be scored with, or not a vision tower that fits the model.",
  },
  head_invalid: {
    status: 500,
    only: "start",
    when: "The score head is not an .npz of the right arrays and shapes, or holds NaN.",
  },
  backend_unavailable: { status: 500, only: "start", when: "No usable backend was found." },
  hub_unreachable: { status: 500, only: "start", when: "The hub could not be reached, or the connection broke too often." },
  hub_unavailable: { status: 500, only: "start", when: "The hub is out of order or limits requests, also after several tries." },
  hub_unauthorized: {
    status: 500,
    only: "start",
    when: "The repository is private or does not exist, or HF_TOKEN is not valid.",
  },
  hub_forbidden: {
    status: 500,
    only: "start",
    when: "HF_TOKEN may not read the repository, or its conditions were not accepted.",
  },
  hub_not_found: {
    status: 500,
    only: "start",
    when: "The hub has no such repository, revision or file; the message lists the GGUF files that are there.",
  },
  checksum_mismatch: {
    status: 500,
    only: "start",
    when: "A file is not the one that was published; the message has both checksums and nothing of it was loaded.",
  },
  not_cached: { status: 500, only: "start", when: "HF_HUB_OFFLINE is set and the files are not in the cache." },
  disk_full: { status: 500, only: "start", when: "No room for the model's files." },
  cache_not_writable: { status: 500, only: "start", when: "The cache folder cannot be written." },
  out_of_memory: {
    status: 500,
    when: "Memory for the model, its context or a batch could not be had; the message says what to lower.",
  },
} as const satisfies Record<string, ErrorDescription>;

export type ErrorCode = keyof typeof errorTable;

export class RerankError extends Error {
  override readonly name = "RerankError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get status(): number {
    return errorTable[this.code].status;
  }
}

const nativeCodes: Readonly<Record<NativeErrorCode, ErrorCode>> = {
  invalid_argument: "invalid_request",
  model_not_found: "model_not_found",
  model_invalid: "model_invalid",
  head_invalid: "head_invalid",
  backend_unavailable: "backend_unavailable",
  out_of_memory: "out_of_memory",
  queue_full: "queue_full",
  query_too_long: "query_too_long",
  document_too_long: "document_too_long",
  images_not_supported: "images_not_supported",
  invalid_score: "invalid_score",
  cancelled: "cancelled",
  closed: "closed",
  engine_error: "engine_error",
};

/** The error that the library throws for one of the addon. */
export function fromNative(error: unknown): Error {
  if (error instanceof Error && "code" in error && typeof error.code === "string" && error.code in nativeCodes) {
    return new RerankError(nativeCodes[error.code as NativeErrorCode], error.message, { cause: error });
  }
  return error instanceof Error ? error : new RerankError("engine_error", String(error));
}

/** Names a value for "expected …, got …". Text is never repeated: it may be a query or a document. */
export function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
