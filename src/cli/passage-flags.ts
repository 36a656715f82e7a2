/** The flags of `rerank` about passages. Pure. */

import { passageLimits } from "../passages/options.js";
import { wholeNumber } from "../settings/kinds.js";
import type { PassageOptions } from "../types.js";
import { UsageError } from "./usage-error.js";

/** As commander gives them; true = the flag is there. */
export interface PassageFlags {
  readonly passages?: true;
  readonly passageTokens?: string;
  readonly passageOverlap?: string;
  readonly maxPassages?: string;
}

/** undefined = documents are not cut. Any of the flags asks for passages. Throws UsageError. */
export function passagesOf({ passages, passageTokens, passageOverlap, maxPassages }: PassageFlags): PassageOptions | undefined {
  const maxTokens = count("--passage-tokens", 1, passageTokens);
  const overlapTokens = count("--passage-overlap", 0, passageOverlap);
  const max = count("--max-passages", 1, maxPassages);
  const options = {
    ...(maxTokens !== undefined && { maxTokens }),
    ...(overlapTokens !== undefined && { overlapTokens }),
    ...(max !== undefined && { max }),
  };
  if (!passages && Object.keys(options).length === 0) return undefined;
  const limits = passageLimits(options);
  if (limits.overlapTokens >= limits.maxTokens) {
    const expected = `expected fewer than the ${limits.maxTokens} tokens of a passage`;
    throw new UsageError(`--passage-overlap: ${expected}, got ${limits.overlapTokens}`);
  }
  return options;
}

function count(flag: string, least: number, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = wholeNumber(least, Number.MAX_SAFE_INTEGER).parse(text);
  if (value !== undefined) return value;
  throw new UsageError(`${flag}: expected a whole number of at least ${least}, got ${JSON.stringify(text)}`);
}
