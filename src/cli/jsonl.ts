/** `rerank --jsonl`: answers each line of the input in order, its shard alone, and continues where an earlier run ended. */

import { RerankError } from "../errors.js";
import type { Reranker } from "../reranker.js";
import { inTheirWords, usualNames } from "../wire/dialect.js";
import { NativeRequest, readNative, writeNative } from "../wire/native.js";
import { validator } from "../wire/validation.js";
import { type Answers, continueAnswers, standardOutput } from "./answer-file.js";
import { type NumberedLine, numberedLines } from "./bulk-input.js";
import { takePaths, withImages, withNames } from "./image-paths.js";
import { rerankAll } from "./rerank-all.js";
import { type Shard, wholeFile } from "./shard.js";

/** Lines that each engine works on at once, so that small requests share batches. */
const linesAtOnce = 8;

export interface BulkRun {
  /** None = stdin. */
  readonly files: readonly string[];
  readonly shard: Shard | undefined;
  /** A file that a later run continues; undefined = stdout. */
  readonly output: string | undefined;
  /** The folder in which lines may name images; undefined = they may name none. */
  readonly imageFolder: string | undefined;
  /** When it aborts, the run finishes the lines that it works on and ends. */
  readonly signal: AbortSignal;
}

export interface BulkModel {
  readonly name: string;
  /** Called for the first line: a run that has nothing left to do loads no model. */
  readonly load: () => Promise<Reranker>;
}

type Outcome =
  | { readonly kind: "answered" | "refused"; readonly text: string }
  /** The engine failed, and not because of the line: a later run answers it. */
  | { readonly kind: "broken"; readonly error: unknown };

/** Resolves with the number of lines that have an error as their answer, those of earlier runs included. An aborted run rejects. */
export async function rerankJsonl(run: BulkRun, model: BulkModel): Promise<number> {
  const failed = await answerShard(run, model);
  // All running lines have their answers, but the input may have more lines.
  run.signal.throwIfAborted();
  return failed;
}

async function answerShard(run: BulkRun, model: BulkModel): Promise<number> {
  const { files, shard = wholeFile, output, signal } = run;
  await using answers = output === undefined ? standardOutput : await continueAnswers(output, shard);
  if (answers.done > 0) say(`${output}: goes on behind ${answers.done} answers that are there`);
  const lines = numberedLines({ files, shard, skip: answers.done, empty: isNumbered(run), signal });
  let reranker: Reranker | undefined;
  try {
    const first = await lines.next();
    if (first.done) return answers.failed;
    reranker = await unlessAborted(model.load(), signal);
    const answer = lineAnswerer(reranker, model.name, run);
    return answers.failed + (await answerAll(first, lines, answer, answers, signal, linesAtOnce * reranker.devices.length));
  } finally {
    await lines.return(undefined);
    await reranker?.close();
  }
}

/** Whether answers name their lines, and empty lines are answered too. */
function isNumbered({ shard, output }: BulkRun): boolean {
  return shard !== undefined || output !== undefined;
}

async function answerAll(
  first: IteratorResult<NumberedLine, void>,
  lines: AsyncIterator<NumberedLine, void>,
  answer: (line: NumberedLine) => Promise<Outcome>,
  answers: Answers,
  signal: AbortSignal,
  atOnce: number,
): Promise<number> {
  const waiting: Promise<Outcome>[] = [];
  let refused = 0;
  const write = async () => {
    const outcome = await waiting.shift();
    if (!outcome) return;
    if (outcome.kind === "broken") throw outcome.error;
    await answers.append(outcome.text);
    if (outcome.kind === "refused") refused += 1;
  };
  for (let next = first; !next.done && !signal.aborted; next = await lines.next()) {
    waiting.push(answer(next.value));
    if (waiting.length >= atOnce) await write();
  }
  while (waiting.length > 0) await write();
  return refused;
}

function lineAnswerer(reranker: Reranker, model: string, run: BulkRun): (line: NumberedLine) => Promise<Outcome> {
  const check = validator(NativeRequest);
  const numbered = isNumbered(run);
  return async (line) => {
    try {
      const { body, images } = await takePaths(parse(line), run.imageFolder);
      const checked = check(body);
      if ("error" in checked) throw checked.error;
      const job = withImages(readNative(checked.value), images);
      const response = await rerankAll(reranker, job, () => {}).catch((error: unknown) => {
        throw inTheirWords(error, { names: usualNames });
      });
      const answer = withNames(writeNative(job, response, model), images);
      return { kind: "answered", text: JSON.stringify({ ...(numbered && { line: line.number }), ...answer }) };
    } catch (error) {
      if (run.output !== undefined && !ofTheLine(error)) return { kind: "broken", error };
      const code = error instanceof RerankError ? error.code : "engine_error";
      const message = `line ${line.number}: ${error instanceof Error ? error.message : String(error)}`;
      say(message);
      return { kind: "refused", text: JSON.stringify({ line: line.number, error: { code, message } }) };
    }
  };
}

/** Whether trying the line again would fail in the same way. */
function ofTheLine(error: unknown): boolean {
  return error instanceof RerankError && (error.status < 500 || error.code === "invalid_score");
}

function parse({ text }: NumberedLine): unknown {
  if (text instanceof RerankError) throw text;
  if (text === "") throw new RerankError("invalid_request", "expected a request, got an empty line");
  try {
    return JSON.parse(text);
  } catch {
    throw new RerankError("invalid_json", "expected JSON, got text that is not JSON");
  }
}

async function unlessAborted<Value>(action: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  return await Promise.race([action, aborted]);
}

function say(message: string): void {
  process.stderr.write(`jina-reranker: ${message}\n`);
}
