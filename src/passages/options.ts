/** The passages that a request asks for: the check, and the defaults. Pure. */

import { kindOf, RerankError } from "../errors.js";
import type { Content, PassageOptions, ScoreRequest } from "../types.js";
import type { PassageLimits } from "./cut.js";

export const defaultPassages: PassageLimits = { maxTokens: 512, overlapTokens: 64, max: 10 };
/** The overlap's default is at most this part of a passage. */
const overlapShare = 8;

type Asked = Pick<ScoreRequest<Content>, "passages" | "maxDocumentTokens" | "truncate">;

/** Throws invalid_request. */
export function checkPassages({ passages, maxDocumentTokens, truncate }: Asked): void {
  if (passages === undefined) return;
  if (passages !== true) checkOptions(passages);
  if (maxDocumentTokens) {
    throw new RerankError(
      "invalid_request",
      `maxDocumentTokens: expected nothing beside passages, whose maxTokens and max limit a document, got ${maxDocumentTokens}`,
    );
  }
  if (truncate === "start") {
    const message = "truncate: expected end or never beside passages, which are cut from the start on, got start";
    throw new RerankError("invalid_request", message);
  }
}

function checkOptions(options: PassageOptions): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new RerankError(
      "invalid_request",
      `passages: expected true or {maxTokens, overlapTokens, max}, got ${kindOf(options)}`,
    );
  }
  const unknown = Object.keys(options).find((name) => !(name in defaultPassages));
  if (unknown !== undefined) {
    throw new RerankError("invalid_request", "passages: expected the fields maxTokens, overlapTokens and max, got another");
  }
  requireCount("maxTokens", options.maxTokens, 1);
  requireCount("overlapTokens", options.overlapTokens, 0);
  requireCount("max", options.max, 1);
  const { maxTokens, overlapTokens } = passageLimits(options);
  if (overlapTokens >= maxTokens) {
    const message = `passages.overlapTokens: expected fewer than the ${maxTokens} tokens of a passage, got ${overlapTokens}`;
    throw new RerankError("invalid_request", message);
  }
}

function requireCount(name: keyof PassageOptions, value: unknown, least: number): void {
  if (value === undefined || (typeof value === "number" && Number.isSafeInteger(value) && value >= least)) return;
  const message = `passages.${name}: expected a whole number of at least ${least}, got ${kindOf(value)}`;
  throw new RerankError("invalid_request", message);
}

export function passageLimits(passages: true | PassageOptions): PassageLimits {
  const { maxTokens = defaultPassages.maxTokens, overlapTokens, max = defaultPassages.max } = passages === true ? {} : passages;
  const usual = Math.min(defaultPassages.overlapTokens, Math.floor(maxTokens / overlapShare));
  return { maxTokens, overlapTokens: overlapTokens ?? usual, max };
}

/** With passages of at most `room` tokens, at least 1. */
export function within(limits: PassageLimits, room: number): PassageLimits {
  const maxTokens = Math.max(1, Math.min(limits.maxTokens, room));
  return { ...limits, maxTokens, overlapTokens: Math.min(limits.overlapTokens, maxTokens - 1) };
}
