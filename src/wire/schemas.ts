/** Schemas that several dialects and routes share. A schema validates, serialises and gives the type. */

import { type Static, Type } from "typebox";
import type { Usage as TokenUsage } from "../types.js";

/** The message stands where each kind of client looks: `error` as OpenAI, `detail` as FastAPI, `message` as Cohere. */
export const ErrorBody = Type.Object({
  error: Type.Object({ code: Type.String(), message: Type.String() }),
  detail: Type.String(),
  message: Type.String(),
});
export type ErrorBody = Static<typeof ErrorBody>;

export const Passage = Type.Object(
  { text: Type.String(), start: Type.Integer(), end: Type.Integer() },
  { description: "with passages: the best one; positions in Unicode characters of the document as it was read" },
);

export const Usage = Type.Object({ prompt_tokens: Type.Integer(), total_tokens: Type.Integer() });

/** The usage as clients of services that also generate text expect it. */
export const CompletionUsage = Type.Object({
  ...Usage.properties,
  completion_tokens: Type.Integer({ description: "0: nothing is generated" }),
});

/** The sum over all parts of a request. */
export function usageOf(...parts: readonly TokenUsage[]): Static<typeof Usage> {
  return {
    prompt_tokens: parts.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
    total_tokens: parts.reduce((sum, { totalTokens }) => sum + totalTokens, 0),
  };
}

export function completionUsageOf(...parts: readonly TokenUsage[]): Static<typeof CompletionUsage> {
  return { ...usageOf(...parts), completion_tokens: 0 };
}

export const Healthy = Type.Object(
  {
    status: Type.Literal("ok"),
    model: Type.String(),
    device: Type.String(),
    devices: Type.Array(
      Type.Object({
        device: Type.String(),
        status: Type.Union([Type.Literal("ok"), Type.Literal("failed")]),
        reason: Type.Optional(Type.String({ description: "why the device is no longer used" })),
      }),
      { description: "one for each engine, in the order of GPUS" },
    ),
    uptime_s: Type.Integer(),
  },
  { description: "ready to score" },
);

export const Unhealthy = Type.Object(
  {
    status: Type.Union([Type.Literal("loading"), Type.Literal("draining"), Type.Literal("failed")]),
    reason: Type.String(),
    progress: Type.Optional(Type.Number({ description: "the part of the model that is fetched, then loaded, 0 to 1" })),
    fetch: Type.Optional(
      Type.Object(
        {
          phase: Type.String({ description: "fetching, verifying, or waiting for another process that fetches" }),
          file: Type.String(),
          bytes: Type.Integer({ description: "of all files together" }),
          total_bytes: Type.Integer(),
          percent: Type.Number(),
          bytes_per_second: Type.Integer(),
          seconds_left: Type.Optional(Type.Integer({ description: "absent until the speed is known" })),
        },
        { description: "present while the model's files are being fetched" },
      ),
    ),
    model: Type.String(),
    uptime_s: Type.Integer(),
  },
  { description: "not ready to score, and why" },
);

export const Probe = Type.Object({ status: Type.String() }, { description: "it does" });
