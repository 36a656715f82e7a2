/** The service's own dialect of POST /rerank. The command line reads and writes it too. */

import { type Static, Type } from "typebox";
import { defaultMaxDocuments } from "../engine/limits.js";
import type { Content, RerankResponse } from "../types.js";
import { ContentInput, DocumentsInput, documentContents, exampleImage, queryContent } from "./contents.js";
import { dialect, single } from "./dialect.js";
import { EchoedImage, EchoedObject, echoOf, sentDocuments } from "./echo.js";
import { rankingFields } from "./ranking-fields.js";
import { type RankingOptions, ranked, readOptions } from "./ranking-options.js";
import { Passage, Usage, usageOf } from "./schemas.js";

/** A request that was read. */
export interface RerankJob {
  readonly query: Content;
  readonly documents: readonly Content[];
  readonly options: RankingOptions;
  readonly returnDocuments: boolean;
  /** The documents as the answer repeats them; absent = as `documents` has them. */
  readonly sent?: readonly (string | object)[];
}

export const NativeRequest = Type.Object(
  {
    query: ContentInput,
    documents: DocumentsInput,
    ...rankingFields,
    return_documents: Type.Optional(Type.Boolean({ default: true })),
  },
  {
    description: "the service's own dialect",
    examples: [
      {
        query: "What is machine learning?",
        documents: [
          "Machine learning is a subset of artificial intelligence that enables computers to learn from data.",
          "The weather today is sunny and warm.",
          "Deep learning uses neural networks with multiple layers.",
        ],
        top_k: 2,
      },
      { query: "a chart of sales", documents: ["Sales fell in October.", { image: exampleImage }], return_documents: false },
    ],
  },
);

const Echo = Type.Union([Type.String(), EchoedImage]);
const EchoedDocument = Type.Union([Type.String(), EchoedObject]);

export const NativeResponse = Type.Object(
  {
    results: Type.Array(
      Type.Object({
        index: Type.Integer({ description: "position in the request" }),
        relevance_score: Type.Number({ description: "0 to 1, or a logit" }),
        document: Type.Optional(EchoedDocument),
        passage: Type.Optional(Passage),
        truncated: Type.Optional(Type.Boolean({ description: "true when the document was cut to fit the context" })),
      }),
    ),
    query: Type.Union([...Echo.anyOf, Type.Null({ description: "an image that is not repeated" })]),
    unscored: Type.Optional(
      Type.Array(Type.Integer(), {
        description: "with a time limit: positions of the documents that have no score by then, ascending",
      }),
    ),
    total_documents: Type.Integer(),
    returned_documents: Type.Integer(),
    model: Type.String(),
    usage: Usage,
  },
  { description: "the results, highest score first" },
);
export type NativeResponse = Static<typeof NativeResponse>;

export function readNative({ timeout_ms: timeoutMs, ...body }: Static<typeof NativeRequest>): RerankJob {
  const options = readOptions(body);
  const returnDocuments = body.return_documents ?? true;
  return {
    query: queryContent(body.query),
    documents: documentContents(body.documents, "documents", options.rankFields),
    options: timeoutMs === undefined ? options : limited(options, timeoutMs),
    returnDocuments,
    ...(returnDocuments && { sent: sentDocuments(body.documents) }),
  };
}

function limited(options: RankingOptions, timeoutMs: number): RankingOptions {
  return { ...options, scoring: { ...options.scoring, timeoutMs } };
}

export function writeNative(
  job: RerankJob,
  { results, unscored, usage }: Omit<RerankResponse<Content>, "timings">,
  model: string,
): NativeResponse {
  const wanted = ranked(results, job.options);
  return {
    results: wanted.map(({ index, score, document, passage, droppedTokens }) => ({
      index,
      relevance_score: score,
      ...(job.returnDocuments && { document: job.sent?.[index] ?? echo(document) }),
      ...(passage && { passage }),
      ...(droppedTokens > 0 && { truncated: true }),
    })),
    // An image may have megabytes, so it is repeated only where documents are.
    query: typeof job.query === "string" || job.returnDocuments ? echo(job.query) : null,
    ...(job.options.scoring.timeoutMs !== undefined && { unscored: [...unscored] }),
    total_documents: job.documents.length,
    returned_documents: wanted.length,
    model,
    usage: usageOf(usage),
  };
}

function echo(content: Content): Static<typeof Echo> {
  return typeof content === "string" ? content : echoOf(content);
}

export const native = dialect({
  request: NativeRequest,
  response: NativeResponse,
  read(body, { wait } = {}) {
    const waits = wait !== undefined && body.timeout_ms === undefined;
    const job = readNative(waits ? { ...body, timeout_ms: wait * 1000 } : body);
    const answer = (response: RerankResponse<Content>, model: string) => writeNative(job, response, model);
    return { ...single(job, answer, { maxDocuments: defaultMaxDocuments.own }), ...(waits && { applied: { wait } }) };
  },
});
