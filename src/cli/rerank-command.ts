/** Reads the flags of `rerank` that are no settings. Pure. */

import { wholeNumber } from "../settings/kinds.js";
import { parseShard, type Shard } from "./shard.js";
import { UsageError } from "./usage-error.js";

/** As commander gives them; true = the flag is there. */
export interface RerankFlags {
  readonly query?: string;
  readonly topK?: string;
  readonly json?: boolean;
  readonly jsonl?: true;
  readonly shard?: string;
  readonly output?: string;
}

export interface RerankCommand {
  /** undefined only with `jsonl`. */
  readonly query: string | undefined;
  readonly files: readonly string[];
  /** Set when each line of the input is a request. */
  readonly jsonl: { readonly shard: Shard | undefined; readonly output: string | undefined } | undefined;
  readonly json: boolean;
  /** 0 = all. */
  readonly topK: number;
}

/** Throws UsageError, or invalid_option for a wrong shard. `onTerminal`: stdout is one. */
export function rerankCommand(
  files: readonly string[],
  { query, topK = "0", json, jsonl, shard, output }: RerankFlags,
  onTerminal: boolean,
  environment: Readonly<Record<string, string | undefined>>,
): RerankCommand {
  if (jsonl && query !== undefined) throw new UsageError("--query: not with --jsonl, where each line has its own");
  if (!jsonl && query === undefined) throw new UsageError("--query: expected the text to rank for, got nothing");
  // Node puts U+FFFD in the place of bytes that are not UTF-8.
  if (query?.includes("\ufffd")) {
    throw new UsageError("--query: expected text in UTF-8, got bytes that are not; set the terminal to UTF-8");
  }
  if (!jsonl && shard !== undefined) throw new UsageError("--shard: only with --jsonl");
  if (!jsonl && output !== undefined) throw new UsageError("--output: only with --jsonl");
  const count = wholeNumber(0, Number.MAX_SAFE_INTEGER).parse(topK);
  if (count === undefined) throw new UsageError(`--top-k: expected a whole number of at least 0, got ${JSON.stringify(topK)}`);
  const bulk = jsonl && { shard: shard === undefined ? undefined : parseShard(shard, environment), output };
  return { query, files, jsonl: bulk, json: json ?? !onTerminal, topK: count };
}
