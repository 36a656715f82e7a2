/** Checks a request before any work on it: the shapes of query and documents, and how many there are. Pure. */

import { documentLimit } from "../engine/limits.js";
import { kindOf, RerankError } from "../errors.js";
import { checkPassages } from "../passages/options.js";
import type { Content, ImageInput, KeepRequest, Limits, RerankRequest, ScoreRequest } from "../types.js";

/** Throws invalid_request, empty_query, empty_documents, too_many_documents, images_not_supported or too_many_images. */
export function checkRequest(request: ScoreRequest<Content>, limits: Limits): void {
  const { query, timeoutMs } = request;
  requireContent(query, "query");
  if (typeof query === "string" && query.trim() === "") {
    throw new RerankError("empty_query", "query: expected text, got an empty string");
  }
  if (timeoutMs !== undefined && !(Number.isInteger(timeoutMs) && timeoutMs >= 1)) {
    throw new RerankError("invalid_request", `timeoutMs: expected a whole number of at least 1, got ${kindOf(timeoutMs)}`);
  }
  checkDocuments(request, limits);
}

/** Throws what is wrong beside the query; `query` is there for its image alone. */
export function checkDocuments(request: KeepRequest & Partial<Pick<Contents, "query">>, limits: Limits): void {
  const { query = "", documents, maxDocuments, instruction } = request;
  if (instruction !== undefined && typeof instruction !== "string") {
    throw new RerankError("invalid_request", `instruction: expected a string, got ${kindOf(instruction)}`);
  }
  checkPassages(request);
  if (!Array.isArray(documents)) {
    throw new RerankError("invalid_request", `documents: expected an array of strings and images, got ${kindOf(documents)}`);
  }
  if (documents.length === 0) throw new RerankError("empty_documents", "documents: expected at least one, got none");
  const most = documentLimit(limits, maxDocuments);
  if (documents.length > most) {
    throw new RerankError("too_many_documents", `documents: at most ${most} are allowed in one request, got ${documents.length}`);
  }
  for (const [index, document] of documents.entries()) requireContent(document, `documents[${index}]`);
  refuseImages({ query, documents }, limits.maxImages);
}

/** Throws invalid_request. */
export function checkRanking({ topK, minScore }: Pick<RerankRequest<Content>, "topK" | "minScore">): void {
  if (topK !== undefined && (!Number.isInteger(topK) || topK < 0)) {
    throw new RerankError("invalid_request", `topK: expected a whole number of at least 0, got ${kindOf(topK)}`);
  }
  if (minScore !== undefined && (typeof minScore !== "number" || Number.isNaN(minScore))) {
    throw new RerankError("invalid_request", `minScore: expected a number, got ${kindOf(minScore)}`);
  }
}

export type Contents = Pick<ScoreRequest<Content>, "query" | "documents">;

/** The images among query and documents, each with the name of its field. */
export function imagesOf({ query, documents }: Contents): readonly FieldImage[] {
  const ofQuery = typeof query === "string" ? [] : [{ field: "query", image: query.image }];
  const ofDocuments = documents.flatMap((document, index) =>
    typeof document === "string" ? [] : [{ field: `documents[${index}]`, image: document.image }],
  );
  return [...ofQuery, ...ofDocuments];
}

export interface FieldImage extends ImageInput {
  /** Such as `documents[3]`. */
  readonly field: string;
}

function requireContent(value: unknown, field: string): asserts value is Content {
  if (typeof value === "string") return;
  if (typeof value !== "object" || value === null || !("image" in value)) {
    throw new RerankError("invalid_request", `${field}: expected a string or {"image"}, got ${kindOf(value)}`);
  }
  const { image } = value;
  const isData = typeof image === "object" && image !== null && "data" in image && typeof image.data === "string";
  if (image instanceof Uint8Array || typeof image === "string" || isData) return;
  throw new RerankError(
    "invalid_request",
    `${field}.image: expected bytes, the path of a file or {"data"} with text, got ${kindOf(image)}`,
  );
}

function refuseImages(request: Contents, most: number): void {
  const images = imagesOf(request);
  const [first] = images;
  if (!first || images.length <= most) return;
  if (most === 0) {
    throw new RerankError(
      "images_not_supported",
      `${first.field}: expected text, got an image, which needs a vision tower: set IMAGES=true after ` +
        "`jina-reranker download --vision`, or MMPROJ_PATH (in the library mmprojPath) to its file",
    );
  }
  throw new RerankError(
    "too_many_images",
    `${images[most]?.field}: at most ${most} images are allowed in one request, got ${images.length}`,
  );
}
