/** `rerank`: documents from files, from lines of stdin, or requests as JSONL. */

import { buffer } from "node:stream/consumers";
import { RerankError } from "../errors.js";
import { decodeUtf8File } from "../files/utf8.js";
import { modelName, modelSource } from "../load.js";
import type { Reranker } from "../reranker.js";
import type { ModelSettings } from "../settings/table.js";
import type { Content } from "../types.js";
import { type RerankJob, writeNative } from "../wire/native.js";
import { plainOptions } from "../wire/ranking-options.js";
import { readDocument, readImage } from "./document-file.js";
import { Interruption } from "./interruption.js";
import { rerankJsonl } from "./jsonl.js";
import { loadWithProgress } from "./load-with-progress.js";
import { ownQueue } from "./own-queue.js";
import { Progress } from "./progress.js";
import { rerankAll } from "./rerank-all.js";
import type { RerankCommand } from "./rerank-command.js";
import { printable, table } from "./table.js";

/** Resolves with the exit code: 1 when a line of JSONL was answered with an error. A signal ends the process with 128 and its number. */
export async function rerank({ jsonl, ...command }: RerankCommand, settings: ModelSettings): Promise<number> {
  const source = modelSource(settings);
  const name = modelName(source);
  if (jsonl) {
    using interruption = new Interruption();
    try {
      const load = () => loadWithProgress(source, { ...settings, ...ownQueue });
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
  await using reranker = await loadWithProgress(source, { ...settings, ...ownQueue });
  await rerankOnce(reranker, name, command);
  return 0;
}

async function rerankOnce(reranker: Reranker, name: string, command: Omit<RerankCommand, "jsonl">): Promise<void> {
  const { json, topK, scoring } = command;
  const files = [...command.files, ...command.images];
  const named = [...command.files.map(readDocument), ...command.images.map(readImage)];
  const documents = named.length > 0 ? await Promise.all(named) : await readLines(process.stdin);
  const options = { ...plainOptions, topK, scoring };
  const job: RerankJob = { query: await queryOf(command), documents, options, returnDocuments: true };
  const response = await scoreWithProgress(reranker, job).catch((error: unknown) => {
    throw withFileName(error, files);
  });
  if (json) {
    const { results, ...rest } = writeNative(job, response, name);
    const inFiles = results.map((result) => ({ ...result, ...(files.length > 0 && { file: files[result.index] }) }));
    process.stdout.write(`${JSON.stringify({ results: inFiles, ...rest }, null, 2)}\n`);
    return;
  }
  const rows = response.results.map(({ index, score, document, passage, droppedTokens }, position) => [
    String(position + 1),
    score.toFixed(4),
    printable(files[index] ?? String(index)),
    `${droppedTokens > 0 ? "(cut) " : ""}${typeof document === "string" ? printable(passage?.text ?? document) : "(an image)"}`,
  ]);
  process.stdout.write(table(["rank", "score", files.length > 0 ? "file" : "index", "document"], rows));
}

async function queryOf({ query }: Pick<RerankCommand, "query">): Promise<Content> {
  if (query && "imageFile" in query) return await readImage(query.imageFile);
  return query?.text ?? "";
}

/** The reranker numbers documents; who ranks files knows them by name. */
function withFileName(error: unknown, files: readonly string[]): unknown {
  if (!(error instanceof RerankError)) return error;
  const message = error.message.replace(/^documents\[(\d+)\]/, (field, index: string) => files[Number(index)] ?? field);
  return new RerankError(error.code, message, { cause: error });
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
