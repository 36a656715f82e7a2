/** The dialect of Text Embeddings Inference: requests with `texts`, answers that are arrays, errors of their own shape. */

import { type Static, Type } from "typebox";
import type { RerankError } from "../errors.js";
import type { Content, RerankResponse } from "../types.js";
import { ContentInput, DocumentsInput, documentContents, queryContent } from "./contents.js";
import { dialect, single } from "./dialect.js";
import { EchoedImage, echoOf } from "./echo.js";
import { rankingFields } from "./ranking-fields.js";
import { ranked, readOptions } from "./ranking-options.js";
import { hasField } from "./tolerance.js";

export const TeiRequest = Type.Object(
  {
    query: ContentInput,
    texts: DocumentsInput,
    ...rankingFields,
    return_text: Type.Optional(Type.Boolean({ default: false })),
  },
  {
    description: "Text Embeddings Inference",
    examples: [
      {
        query: "What is machine learning?",
        texts: ["The weather today is sunny and warm.", "Deep learning uses neural networks with multiple layers."],
        raw_scores: false,
        return_text: true,
        truncate: true,
      },
    ],
  },
);

export const TeiResponse = Type.Array(
  Type.Object({
    index: Type.Integer({ description: "position in the request" }),
    score: Type.Number({ description: "0 to 1, or any number with raw_scores" }),
    text: Type.Optional(Type.String()),
    ...Type.Partial(EchoedImage).properties,
  }),
  { description: "the results, highest score first" },
);

export const TeiErrorBody = Type.Object({
  error: Type.String(),
  error_type: Type.Union([
    Type.Literal("Validation"),
    Type.Literal("Overloaded"),
    Type.Literal("Backend"),
    Type.Literal("Unhealthy"),
  ]),
});
export type TeiErrorBody = Static<typeof TeiErrorBody>;

export const tei = dialect({
  request: TeiRequest,
  response: TeiResponse,
  read(body) {
    const options = readOptions(body);
    const documents = documentContents(body.texts, "texts", options.rankFields);
    const returnText = body.return_text ?? false;
    const names = { query: "query", documents: "texts" };
    const write = ({ results }: RerankResponse<Content>) =>
      ranked(results, options).map(({ index, score, document }) => ({
        index,
        score,
        ...(returnText && (typeof document === "string" ? { text: document } : echoOf(document))),
      }));
    return single({ query: queryContent(body.query), documents, options }, write, { names });
  },
});

/** Whether a body of POST /rerank is in this dialect. */
export function isTei(body: unknown): boolean {
  return hasField(body, "texts");
}

export function teiErrorBody({ code, message, status }: RerankError): TeiErrorBody {
  return { error: message, error_type: errorType(code, status) };
}

function errorType(code: RerankError["code"], status: number): TeiErrorBody["error_type"] {
  if (["queue_full", "overloaded"].includes(code)) return "Overloaded";
  if (status === 503) return "Unhealthy";
  return status >= 500 ? "Backend" : "Validation";
}
