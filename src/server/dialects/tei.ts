/** The dialect of Text Embeddings Inference: `texts` in, a bare array out, and errors of a shape of their own. */

import { type Static, Type } from "typebox";
import type { RerankError } from "../../errors.js";
import type { RankedDocument } from "../../types.js";
import { dialect, single } from "./dialect.js";
import { DocumentInput, documentTexts, hasField, QueryInput, queryText } from "./tolerance.js";

export const TeiRequest = Type.Object(
  {
    query: QueryInput,
    texts: Type.Array(DocumentInput),
    raw_scores: Type.Optional(Type.Boolean({ default: false, description: "the logits instead of the scores" })),
    return_text: Type.Optional(Type.Boolean({ default: false })),
    truncate: Type.Optional(
      Type.Boolean({ default: true, description: "false: a text that does not fit CTX_SIZE is an error, true: it is cut" }),
    ),
    truncation_direction: Type.Optional(
      Type.Union([Type.Literal("Right"), Type.Literal("Left"), Type.Literal("right"), Type.Literal("left")], {
        title: "Right or Left",
        default: "Right",
        description: "which end of a text is cut",
      }),
    ),
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

const cutEnds = { Right: "end", right: "end", Left: "start", left: "start" } as const;

export const tei = dialect({
  request: TeiRequest,
  response: TeiResponse,
  read(body) {
    const { truncate = true, truncation_direction: side = "Right" } = body;
    const request = {
      query: queryText(body.query),
      documents: documentTexts(body.texts, "texts"),
      truncate: truncate ? cutEnds[side] : ("never" as const),
    };
    const raw = body.raw_scores ?? false;
    const returnText = body.return_text ?? false;
    return single(request, { query: "query", documents: "texts" }, ({ results }) =>
      // Logits can differ where scores have reached 1 and are equal.
      (raw ? results.toSorted(byLogit) : results).map(({ index, score, logit, document }) => ({
        index,
        score: raw ? logit : score,
        ...(returnText && { text: document }),
      })),
    );
  },
});

function byLogit(a: RankedDocument, b: RankedDocument): number {
  return b.logit - a.logit || a.index - b.index;
}

/** Whether a body sent to POST /rerank is of this dialect. */
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
