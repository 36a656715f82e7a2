/** `warm`: computes documents before a query comes, and leaves their states in DOCUMENT_CACHE_DIR. */

import { createReadStream } from "node:fs";
import { modelSource } from "../load.js";
import type { ModelSettings } from "../settings/table.js";
import type { KeepRequest } from "../types.js";
import { Interruption } from "./interruption.js";
import { type Kept, keepAll } from "./keep-all.js";
import { linesOf } from "./lines.js";
import { loadWithProgress } from "./load-with-progress.js";
import { ownQueue } from "./own-queue.js";
import { Progress } from "./progress.js";
import { holds, wholeFile } from "./shard.js";
import { table } from "./table.js";
import { UsageError } from "./usage-error.js";
import { sourcesOf, type WarmInput } from "./warm-input.js";

export interface WarmCommand extends WarmInput {
  readonly json: boolean;
  /** As queries for these documents will have them. */
  readonly options: Pick<KeepRequest, "instruction" | "passages">;
}

/** Resolves with the exit code: 1 when a document is not in the folder afterwards. A signal ends the process with 128 and its number. */
export async function warm({ json, options, ...input }: WarmCommand, settings: ModelSettings): Promise<number> {
  if (settings.documentCacheDir === undefined) {
    throw new UsageError("--document-cache-dir: expected a folder for the documents' states, or DOCUMENT_CACHE_DIR, got nothing");
  }
  using interruption = new Interruption();
  await using reranker = await loadWithProgress(modelSource(settings), { ...settings, ...ownQueue });
  const kept = await keepWithProgress();
  if (interruption.exitCode !== undefined) {
    say(`stopped after ${kept.documents} documents; the same command goes on, since those cost nothing`);
    await reranker.close();
    process.exit(interruption.exitCode);
  }
  print(kept, json);
  if (kept.stored < kept.documents) say(`${kept.documents - kept.stored} documents could not be stored`);
  return kept.failed > 0 || kept.stored < kept.documents ? 1 : 0;

  async function keepWithProgress(): Promise<Kept> {
    using progress = new Progress("computing", process.stderr.isTTY ? await countOf(input) : 0);
    return await keepAll(reranker, sourcesOf(input, interruption.signal), {
      ...options,
      onProgress: ({ documents, failed }) => progress.update(documents + failed),
      onRefused: say,
    });
  }
}

/** For the bar: files, or lines that are this shard's. A line may have several documents, and stdin an end that nobody knows. */
async function countOf({ files, jsonl, shard = wholeFile }: WarmInput): Promise<number> {
  if (!jsonl) return files.length;
  let line = 0;
  let count = 0;
  for (const file of files) {
    for await (const _ of linesOf(createReadStream(file), 0)) {
      line += 1;
      if (holds(shard, line)) count += 1;
    }
  }
  return count;
}

function print(kept: Kept, json: boolean): void {
  const { documents, truncated, stored, tokens, computedTokens, reusedTokens, failed } = kept;
  if (json) {
    const counts = { documents, failed, truncated, stored_documents: stored, tokens };
    process.stdout.write(
      `${JSON.stringify({ ...counts, computed_tokens: computedTokens, reused_tokens: reusedTokens }, null, 2)}\n`,
    );
    return;
  }
  const cells = [documents, stored, truncated, failed, tokens, computedTokens, reusedTokens].map((count) =>
    count.toLocaleString("en"),
  );
  const head = ["documents", "stored", "cut", "refused", "tokens", "computed", "known"];
  process.stdout.write(table(head, [cells]));
}

function say(message: string): void {
  process.stderr.write(`jina-reranker: ${message}\n`);
}
