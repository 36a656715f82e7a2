/** Reads the flags of `rerank` that are no settings. Pure. */

import { wholeNumber } from "../settings/kinds.js";
import type { PassageOptions } from "../types.js";
import { type PassageFlags, passagesOf } from "./passage-flags.js";
import { parseShard, type Shard } from "./shard.js";
import { UsageError } from "./usage-error.js";

/** As commander gives them; true = the flag is there. */
export interface RerankFlags extends PassageFlags {
  readonly query?: string;
  readonly queryImage?: string;
  readonly image?: readonly string[];
  readonly imageFolder?: string;
  readonly topK?: string;
  readonly instruction?: string;
  readonly json?: boolean;
  readonly jsonl?: true;
  readonly shard?: string;
  readonly output?: string;
}

export interface BulkFlags {
  readonly shard: Shard | undefined;
  readonly output: string | undefined;
  /** The folder in which lines may name images; undefined = they may name none. */
  readonly imageFolder: string | undefined;
}

export interface RerankCommand {
  /** undefined only with `jsonl`. */
  readonly query: { readonly text: string } | { readonly imageFile: string } | undefined;
  readonly files: readonly string[];
  /** More documents, which must be images. */
  readonly images: readonly string[];
  /** Set when each line of the input is a request. */
  readonly jsonl: BulkFlags | undefined;
  readonly json: boolean;
  /** 0 = all. */
  readonly topK: number;
  readonly scoring: { readonly instruction?: string; readonly passages?: PassageOptions };
}

/** Throws UsageError, or invalid_option for a wrong shard. `onTerminal`: stdout is one. */
export function rerankCommand(
  files: readonly string[],
  { query, queryImage, image = [], topK = "0", json, jsonl, shard, output, imageFolder, instruction, ...flags }: RerankFlags,
  onTerminal: boolean,
  environment: Readonly<Record<string, string | undefined>>,
): RerankCommand {
  if (jsonl && query !== undefined) throw new UsageError("--query: not with --jsonl, where each line has its own");
  if (jsonl && queryImage !== undefined)
    throw new UsageError("--query-image: not with --jsonl, where each line has its own query");
  if (jsonl && image.length > 0) throw new UsageError("--image: not with --jsonl, where each line has its own documents");
  if (query !== undefined && queryImage !== undefined)
    throw new UsageError("--query-image: not with --query; leave one of them out");
  if (!jsonl && query === undefined && queryImage === undefined) {
    throw new UsageError("--query: expected the text to rank for, got nothing; --query-image asks with an image");
  }
  requireUtf8("--query", query);
  requireUtf8("--instruction", instruction);
  const passages = passagesOf(flags);
  if (jsonl && instruction !== undefined) throw new UsageError("--instruction: not with --jsonl, where each line has its own");
  if (jsonl && passages) throw new UsageError("--passages: not with --jsonl, where each line has its own");
  if (!jsonl && shard !== undefined) throw new UsageError("--shard: only with --jsonl");
  if (!jsonl && output !== undefined) throw new UsageError("--output: only with --jsonl");
  if (!jsonl && imageFolder !== undefined) throw new UsageError("--image-folder: only with --jsonl");
  const count = wholeNumber(0, Number.MAX_SAFE_INTEGER).parse(topK);
  if (count === undefined) throw new UsageError(`--top-k: expected a whole number of at least 0, got ${JSON.stringify(topK)}`);
  const bulk = jsonl && { shard: shard === undefined ? undefined : parseShard(shard, environment), output, imageFolder };
  const text = query === undefined ? undefined : { text: query };
  const asked = queryImage === undefined ? text : { imageFile: queryImage };
  const scoring = { ...(instruction !== undefined && { instruction }), ...(passages && { passages }) };
  return { query: asked, files, images: image, jsonl: bulk, json: json ?? !onTerminal, topK: count, scoring };
}

/** Node puts U+FFFD in the place of bytes that are not UTF-8. Throws UsageError. */
export function requireUtf8(flag: string, text: string | undefined): void {
  if (!text?.includes("\ufffd")) return;
  throw new UsageError(`${flag}: expected text in UTF-8, got bytes that are not; set the terminal to UTF-8`);
}
