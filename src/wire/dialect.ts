/**
 * A dialect is a schema of its requests, a schema of its answers, and two functions: one turns a request into work for the
 * reranker, one turns the results into an answer. The dialects beside this file differ in nothing else.
 */

import { type Static, type TSchema, Type } from "typebox";
import { defaultMaxDocuments } from "../engine/limits.js";
import { RerankError } from "../errors.js";
import type { Content, RerankRequest, RerankResponse } from "../types.js";
import { type RankingOptions, requested } from "./ranking-options.js";

export interface ScoringRequest extends Omit<RerankRequest<Content>, "signal" | "onQueue"> {
  /** Results that the client asked for, 0 = all: fewer than `topK` where they are chosen afterwards. For traces. */
  readonly topN?: number;
}

/** The client's words, which error messages about its request use. */
export interface Terms {
  /** The client's names of the fields for query and documents. */
  readonly names: { readonly query: string; readonly documents: string };
}
export const usualNames = { query: "query", documents: "documents" };

/** Where a request's query and documents stand in the client's lists. */
export interface Places {
  /** Such as `[1]`; empty where the client sent no list of queries. */
  readonly query: string;
  readonly documents: readonly number[];
}

/** What the headers of a request ask for. */
export interface Preferences {
  /** Seconds that the client would wait for the answer. */
  readonly wait?: number | undefined;
}

/** A body that was read: what to score, and how to write the answer. */
export interface Job<Answer> extends Terms {
  /** Usually one. vLLM's clients may send many queries, each with documents of its own. */
  readonly requests: readonly ScoringRequest[];
  /** In the order of `requests`; absent = there is one, with the client's documents in their order. */
  readonly places?: readonly Places[];
  /** The preferences that the answer follows; absent = none. */
  readonly applied?: Preferences;
  /** `responses` are in the order of `requests`; `model` is the name of the model that scored. */
  answer(responses: readonly RerankResponse<Content>[], model: string): Answer;
}

export interface Dialect<Request extends TSchema, Answer extends TSchema> {
  readonly request: Request;
  readonly response: Answer;
  /** For dialects with several shapes of bodies: the shape that this body most likely has. */
  readonly shapeOf?: (body: unknown) => TSchema;
  /** Reads a validated body. Throws a RerankError that names the field. */
  read(body: Static<Request>, preferences?: Preferences): Job<Static<Answer>>;
}

/** Returns `definition`. It exists so that TypeScript infers the types of `read` from the schemas. */
export function dialect<const Request extends TSchema, const Answer extends TSchema>(
  definition: Dialect<Request, Answer>,
): Dialect<Request, Answer> {
  return definition;
}

/** A union of shapes. Each has a description and examples, the second one with images, which the documentation shows together. */
export function shapes<const Shapes extends TSchema[]>(...all: [...Shapes]) {
  const examples = all.flatMap((shape) => {
    const name: unknown = Reflect.get(shape, "description");
    const examples: unknown = Reflect.get(shape, "examples");
    const values: readonly unknown[] = Array.isArray(examples) ? examples : [];
    return values.map((value, index) => {
      const summary = index === 0 ? name : `${name}, with an image`;
      return [summary, { summary, value }];
    });
  });
  return Type.Union(all, { "x-examples": Object.fromEntries(examples) });
}

interface Single {
  readonly query: Content;
  readonly documents: readonly Content[];
  readonly options: RankingOptions;
}

/** A job with one query. */
export function single<Answer>(
  { query, documents, options }: Single,
  write: (response: RerankResponse<Content>, model: string) => Answer,
  { names = usualNames, maxDocuments = defaultMaxDocuments.others }: { names?: Terms["names"]; maxDocuments?: number } = {},
): Job<Answer> {
  return {
    requests: [{ query, documents, maxDocuments, ...requested(options) }],
    names,
    answer([response], model) {
      if (!response) throw new Error("one request was scored and none was answered");
      return write(response, model);
    },
  };
}

/** Rewrites an error of the reranker, which speaks of `query` and `documents`, in the client's field names. */
export function inTheirWords(error: unknown, { names }: Terms, places?: Places): unknown {
  if (!(error instanceof RerankError)) return error;
  const message = error.message
    .replace(/^(instruction and )?query\b/, (_, before = "") => before + names.query + (places?.query ?? ""))
    .replace(/^documents\[(\d+)\]/, (_, index: string) => `documents[${places?.documents[Number(index)] ?? index}]`)
    .replace(/^documents\b/, names.documents);
  return message === error.message ? error : new RerankError(error.code, message, { cause: error });
}
