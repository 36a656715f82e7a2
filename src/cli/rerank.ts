/** `rerank`: documents from files, from lines of stdin, or requests as JSONL. */

import { buffer } from "node:stream/consumers";
import { decodeUtf8File } from "../files/utf8.js";
import { modelName, modelSource } from "../load.js";
import type { Reranker } from "../reranker.js";
import type { ModelSettings } from "../settings/table.js";
import { type RerankJob, writeNative } from "../wire/native.js";
import { plainOptions } from "../wire/ranking-options.js";
import { Interruption } from "./interruption.js";
import { linesAtOnce, rerankJsonl } from "./jsonl.js";
import { loadWithProgress } from "./load-with-progress.js";
import { Progress } from "./progress.js";
import { readText } from "./read-text.js";
import { pairsAtOnce, rerankAll } from "./rerank-all.js";
import type { RerankCommand } from "./rerank-command.js";
import { printable, table } from "./table.js";

/** Resolves with the exit code: 1 when a line of JSONL was answered with an error. A signal ends the process with 128 and its number. */
export async function rerank({ jsonl, ...command }: RerankCommand, settings: ModelSettings): Promise<number> {
  const source = modelSource(settings);
  const name = modelName(source);
  if (jsonl) {
    using interruption = new Interruption();
    try {
      // The queue's limit protects from requests of others. This command's own lines always fit.
      const engines = settings.gpus?.length ?? 1;
      const maxQueuedPairs = Math.max(settings.maxQueuedPairs, linesAtOnce * engines * pairsAtOnce(engines));
      const load = () => loadWithProgress(source, { ...settings, maxQueuedPairs });
      const { files } = command;
      return (await rerankJsonl({ files, ...jsonl, signal: interruption.signal }, { name, load })) > 0 ? 1 : 0;
    } catch (error) {
      if (interruption.exitCode === undefined || error !== interruption.signal.reason) throw error;
      const { output } = jsonl;
      process.stderr.write(`jina-reranker: stopped${output === undefined ? "" : "; the same command goes on from here"}\n`);
      // A load may still run, and nothing has to wait for it.
      process.exit(interruption.exitCode);
    }
  }
  await using reranker = await loadWithProgress(source, settings);
  await rerankOnce(reranker, name, command);
  return 0;
}

async function rerankOnce(
  reranker: Reranker,
  name: string,
  { query = "", files, json, topK }: Omit<RerankCommand, "jsonl">,
): Promise<void> {
  const documents = files.length > 0 ? await Promise.all(files.map(readText)) : await readLines(process.stdin);
  const job: RerankJob = { query, documents, options: { ...plainOptions, topK }, returnDocuments: true };
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

/** Takes the bar away before it returns: the bar's end would wipe what is printed next. */
async function scoreWithProgress(reranker: Reranker, job: RerankJob): ReturnType<typeof rerankAll> {
  using progress = new Progress("scoring", job.documents.length);
  return await rerankAll(reranker, job, (done) => progress.update(done));
}

/** Each line is a document; empty lines are left out. */
async function readLines(input: NodeJS.ReadableStream): Promise<string[]> {
  if (process.stdin.isTTY) process.stderr.write("documents, one per line; end with Ctrl-D:\n");
  const text = decodeUtf8File(await buffer(input), "stdin");
  return text.split(/\r\n|\n|\r/).filter((line) => line.trim() !== "");
}
