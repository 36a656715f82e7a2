/**
 * What a dialect is: a schema for its requests, one for its answers, and how the first becomes work for the reranker and
 * the work's results become the second. The five dialects beside this file differ in nothing else.
 */

import { type Static, type TSchema, Type } from "typebox";
import { RerankError } from "../errors.js";
import type { RerankRequest, RerankResponse } from "../types.js";
import { type RankingOptions, requested } from "./ranking-options.js";

export type ScoringRequest = Omit<RerankRequest, "signal">;

/** What errors of a body have to know about it. */
export interface Terms {
  /** What a client calls its query and its documents. */
  readonly names: { readonly query: string; readonly documents: string };
  readonly inPieces: boolean;
}
export const usualNames = { query: "query", documents: "documents" };

/** Documents that a request may have where MAX_DOCUMENTS is not set: this service's own promise, and what others take. */
export const documentLimits = { own: 100, others: 1000 } as const;

/** A body that was read: what to score, and how the results are told. */
export interface Job<Answer> extends Terms {
  /** Usually one; a client may also send many queries, each with documents of its own. */
  readonly requests: readonly ScoringRequest[];
  /** `responses` are in the order of `requests`; `model` is the name of the model that scored. */
  answer(responses: readonly RerankResponse[], model: string): Answer;
}

export interface Dialect<Request extends TSchema, Answer extends TSchema> {
  readonly request: Request;
  readonly response: Answer;
  /** Where bodies of several shapes are understood: the one that this body means to have. */
  readonly shapeOf?: (body: unknown) => TSchema;
  /** `body` was validated. Throws a RerankError that names the field. */
  read(body: Static<Request>): Job<Static<Answer>>;
}

/** Gives `read` the types of the schemas. */
export function dialect<const Request extends TSchema, const Answer extends TSchema>(
  definition: Dialect<Request, Answer>,
): Dialect<Request, Answer> {
  return definition;
}

/** The shapes of a body that may have one of several; each has an example, which the documentation shows under its name. */
export function shapes<const Shapes extends TSchema[]>(...all: [...Shapes]) {
  const examples = all.map((shape) => {
    const name: unknown = Reflect.get(shape, "description");
    const examples: unknown = Reflect.get(shape, "examples");
    return [name, { summary: name, value: Array.isArray(examples) ? examples[0] : undefined }];
  });
  return Type.Union(all, { "x-examples": Object.fromEntries(examples) });
}

interface Single {
  readonly query: string;
  readonly documents: readonly string[];
  readonly options: RankingOptions;
}

/** A job with one query. */
export function single<Answer>(
  { query, documents, options }: Single,
  write: (response: RerankResponse, model: string) => Answer,
  { names = usualNames, maxDocuments = documentLimits.others }: { names?: Terms["names"]; maxDocuments?: number } = {},
): Job<Answer> {
  return {
    requests: [{ query, documents, maxDocuments, ...requested(options) }],
    names,
    inPieces: options.inPieces,
    answer([response], model) {
      if (!response) throw new Error("one request was scored and none was answered");
      return write(response, model);
    },
  };
}

/** The reranker speaks of `query` and `documents`, and of documents that are too long; the client asked in other words. */
export function inTheirWords(error: unknown, { names, inPieces }: Terms): unknown {
  if (!(error instanceof RerankError)) return error;
  const message = error.message.replace(/^query\b/, names.query).replace(/^documents\b/, names.documents);
  if (inPieces && error.code === "document_too_long") {
    const expected = "max_chunks_per_doc: expected documents that fit in one piece, or 1, got";
    return new RerankError("invalid_request", `${expected} ${message}`, { cause: error });
  }
  return message === error.message ? error : new RerankError(error.code, message, { cause: error });
}
