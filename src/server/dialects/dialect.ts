/**
 * What a dialect is: a schema for its requests, one for its answers, and how the first becomes work for the reranker and
 * the work's results become the second. The five dialects beside this file differ in nothing else.
 */

import { type Static, type TSchema, Type } from "typebox";
import type { RerankRequest, RerankResponse } from "../../types.js";

export type ScoringRequest = Omit<RerankRequest, "signal">;

/** What a client calls its query and its documents, for errors. */
export interface FieldNames {
  readonly query: string;
  readonly documents: string;
}
export const usualNames: FieldNames = { query: "query", documents: "documents" };

/** A body that was read: what to score, and how the results are told. */
export interface Job<Answer> {
  /** Usually one; a client may also send many queries, each with documents of its own. */
  readonly requests: readonly ScoringRequest[];
  readonly names: FieldNames;
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

/** A job with one query. */
export function single<Answer>(
  request: ScoringRequest,
  names: FieldNames,
  write: (response: RerankResponse, model: string) => Answer,
): Job<Answer> {
  return {
    requests: [request],
    names,
    answer([response], model) {
      if (!response) throw new Error("one request was scored and none was answered");
      return write(response, model);
    },
  };
}
