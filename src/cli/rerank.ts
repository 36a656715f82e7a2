/** `rerank`: documents from files, from lines of stdin, or requests as JSONL. */

import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Reranker } from "../reranker.js";
import { type RerankJob, writeNative } from "../server/dialects/native.js";
import type { ModelSettings } from "./flags.js";
import { rerankJsonl } from "./jsonl.js";
import { loadWithProgress } from "./load-with-progress.js";
import { modelName, modelSource } from "./model-source.js";
import { Progress } from "./progress.js";
import { readText } from "./read-text.js";
import { rerankAll } from "./rerank-all.js";
import { printable, table } from "./table.js";

export interface RerankCommand {
  readonly query: string | undefined;
  readonly files: readonly string[];
  readonly jsonl: boolean;
  readonly json: boolean;
  readonly topK: number;
}

/** True when every line of JSONL was answered; always true otherwise. */
export async function rerank(command: RerankCommand, settings: ModelSettings): Promise<boolean> {
  const source = modelSource(settings);
  const name = modelName(source);
  await using reranker = await loadWithProgress(source, settings);
  if (command.jsonl) return await rerankJsonl(reranker, name, inputs(command.files));
  await rerankOnce(reranker, name, command);
  return true;
}

async function rerankOnce(reranker: Reranker, name: string, { query = "", files, json, topK }: RerankCommand): Promise<void> {
  const documents = files.length > 0 ? await Promise.all(files.map(readText)) : await readLines(process.stdin);
  const job: RerankJob = { query, documents, topK, returnDocuments: true };
  const response = await scoreWithProgress(reranker, job);
  if (json) {
    const { results, ...rest } = writeNative(job, response, name);
    const named = results.map((result) => ({ ...result, ...(files.length > 0 && { file: files[result.index] }) }));
    process.stdout.write(`${JSON.stringify({ results: named, ...rest }, null, 2)}\n`);
    return;
  }
  const rows = response.results.map(({ index, score, document, droppedTokens }, position) => [
    String(position + 1),
    score.toFixed(4),
    printable(files[index] ?? String(index)),
    `${droppedTokens > 0 ? "(cut) " : ""}${printable(document)}`,
  ]);
  process.stdout.write(table(["rank", "score", files.length > 0 ? "file" : "index", "document"], rows));
}

/** The bar is gone when this returns: what is printed next would be wiped with it. */
async function scoreWithProgress(reranker: Reranker, job: RerankJob): ReturnType<typeof rerankAll> {
  using progress = new Progress("scoring", job.documents.length);
  return await rerankAll(reranker, job, (done) => progress.update(done));
}

/** A document a line; empty lines are none. */
async function readLines(input: Readable): Promise<string[]> {
  if (process.stdin.isTTY) process.stderr.write("documents, one per line; end with Ctrl-D:\n");
  const lines: string[] = [];
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.trim() !== "") lines.push(line);
  }
  return lines;
}

/** The lines of the files one after another, or of stdin. */
async function* inputs(files: readonly string[]): AsyncGenerator<string> {
  if (files.length === 0) {
    yield* createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
    return;
  }
  for (const file of files) yield* (await readText(file)).split(/\r?\n/);
}
