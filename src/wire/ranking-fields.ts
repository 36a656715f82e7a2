/** The fields that change a ranking. They are the same in every dialect, whichever service they come from. */

import { type Static, Type } from "typebox";
import { passageFields } from "./passages.js";

const count = "how many results to return; 0, null or absent = all; top_k and top_n mean the same";
const later = "not supported in this version: refused unless empty";

export const rankingFields = {
  top_k: Type.Optional(Type.Integer({ minimum: 0, description: count })),
  top_n: Type.Optional(Type.Integer({ minimum: 0, description: count })),
  min_score: Type.Optional(Type.Number({ description: "results below it are dropped, after top_k" })),
  rank_fields: Type.Optional(
    Type.Array(Type.String(), {
      maxItems: 100,
      description: "what is read of documents that are objects, as `name: value` lines",
    }),
  ),
  max_tokens_per_doc: Type.Optional(
    Type.Integer({ minimum: 1, description: "longer documents lose their end; null or absent = as long as fits CTX_SIZE" }),
  ),
  ...passageFields,
  truncate: Type.Optional(
    Type.Boolean({ default: true, description: "whether a document that does not fit CTX_SIZE is cut; false: it is an error" }),
  ),
  truncation: Type.Optional(Type.Boolean({ description: "the same as truncate" })),
  truncation_direction: Type.Optional(
    Type.Union([Type.Literal("Right"), Type.Literal("Left"), Type.Literal("right"), Type.Literal("left")], {
      title: "Right or Left",
      default: "Right",
      description: "which end of a document is cut",
    }),
  ),
  priority: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 999, default: 0, description: "a lower number is served earlier while others wait" }),
  ),
  raw_scores: Type.Optional(Type.Boolean({ default: false, description: "the logits instead of the scores" })),
  use_activation: Type.Optional(Type.Boolean({ default: true, description: "false: the logits instead of the scores" })),
  activation: Type.Optional(Type.Boolean({ description: "the same as use_activation" })),
  softmax: Type.Optional(Type.Boolean({ description: "the same as use_activation" })),
  instruction: Type.Optional(
    Type.String({
      description: "a line that the model reads before each document; it changes the scores",
    }),
  ),
  instruct: Type.Optional(Type.String({ description: "the same as instruction" })),
  timeout_ms: Type.Optional(
    Type.Integer({
      minimum: 1,
      description:
        "then the answer ranks what is scored and lists the rest as unscored; in the service's own dialect, refused in others",
    }),
  ),
  truncate_prompt_tokens: Type.Optional(Type.Unknown({ description: later })),
};
const RankingFields = Type.Object(rankingFields);
export type RankingFields = Static<typeof RankingFields>;
