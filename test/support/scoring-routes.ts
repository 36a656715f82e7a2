/** The table of routes that score, with the words of each dialect. Tests of what holds for all of them loop over it. */

import { type Static, type TSchema, Type } from "typebox";
import { scoringPaths } from "../../src/server/routes/paths.js";
import { cohereV2 } from "../../src/wire/cohere-v2.js";
import { JinaResponse } from "../../src/wire/jina.js";
import { NativeResponse } from "../../src/wire/native.js";
import { ErrorBody } from "../../src/wire/schemas.js";
import { TeiResponse } from "../../src/wire/tei.js";
import { vllmScore } from "../../src/wire/vllm-score.js";
import { json } from "./json.js";

export interface Scored {
  readonly index: number;
  readonly score: number;
}

export interface ScoringRoute {
  readonly name: string;
  readonly path: string;
  readonly dialect: "native" | "jina" | "cohere" | "tei" | "vllm";
  /** The dialect's names for query and documents. */
  readonly query: string;
  readonly documents: string;
  /** The field that limits the results; undefined = there is none. */
  readonly limit?: string;
  /** Fields that every body for this route has in the tests. */
  readonly always: Readonly<Record<string, unknown>>;
  /** True: results come highest score first; false: in document order. */
  readonly sorted: boolean;
  /** Reads an answer and checks it against the dialect's schema. */
  read(response: { json(): unknown }): Promise<readonly Scored[]>;
}

function reader<Schema extends TSchema>(schema: Schema, pick: (body: Static<Schema>) => readonly Scored[]) {
  return async (response: { json(): unknown }) => pick(await json(schema, response));
}

interface Ranked {
  readonly index: number;
  readonly relevance_score: number;
}
const ranked = ({ results }: { readonly results: readonly Ranked[] }): Scored[] =>
  results.map(({ index, relevance_score }) => ({ index, score: relevance_score }));

const usual = { query: "query", documents: "documents", always: {}, sorted: true };
const jina = { ...usual, dialect: "jina" as const, limit: "top_n", read: reader(JinaResponse, ranked) };
const tei = { ...usual, dialect: "tei" as const, documents: "texts", read: reader(TeiResponse, (results) => results) };
const vllm = { dialect: "vllm" as const, always: {}, sorted: false, read: reader(vllmScore.response, ({ data }) => data) };

export const scoringRoutes: readonly ScoringRoute[] = [
  ...scoringPaths.byBody.map((path) => ({
    ...usual,
    name: path,
    path,
    dialect: "native" as const,
    limit: "top_k",
    read: reader(NativeResponse, ranked),
  })),
  { ...jina, name: "/rerank as Jina", path: "/rerank", always: { model: "m" } },
  { ...tei, name: "/rerank as TEI", path: "/rerank" },
  { ...tei, name: "/", path: "/" },
  ...scoringPaths.jina.map((path) => ({ ...jina, name: path, path })),
  ...scoringPaths.cohere.map((path) => ({
    ...usual,
    name: path,
    path,
    dialect: "cohere" as const,
    limit: "top_n",
    read: reader(cohereV2.response, ranked),
  })),
  { ...vllm, name: "/score", path: "/score", query: "text_1", documents: "text_2" },
  { ...vllm, name: "/v1/score", path: "/v1/score", query: "queries", documents: "documents" },
];

/** The body for this route with this query and these documents. */
export function bodyFor(route: ScoringRoute, query: unknown, documents: unknown, more: object = {}): object {
  return { ...route.always, [route.query]: query, [route.documents]: documents, ...more };
}

const TeiError = Type.Object({ error: Type.String(), error_type: Type.String() }, { additionalProperties: false });
const UsualError = Type.Object(ErrorBody.properties, { additionalProperties: false });

/** Reads an error in the route's own shape: its message, and its code where the dialect has codes. */
export async function readError(tei: boolean, response: { json(): unknown }): Promise<{ message: string; code?: string }> {
  if (tei) return { message: (await json(TeiError, response)).error };
  const { error, detail, message } = await json(UsualError, response);
  if (detail !== error.message || message !== error.message) throw new Error("an error's three messages differ");
  return error;
}
