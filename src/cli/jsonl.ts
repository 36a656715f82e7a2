/** `rerank --jsonl`: a request a line in, an answer a line out, in the same order. */

import { RerankError } from "../errors.js";
import type { Reranker } from "../reranker.js";
import { NativeRequest, readNative, writeNative } from "../server/dialects/native.js";
import { validator } from "../server/validation.js";
import { rerankAll } from "./rerank-all.js";

/** Lines worked on at once: small requests share batches. */
const linesAtOnce = 8;

interface Answer {
  readonly text: string;
  readonly failed: boolean;
}

/** False when a line could not be answered; its output line holds the error and the line's number. */
export async function rerankJsonl(reranker: Reranker, model: string, lines: AsyncIterable<string>): Promise<boolean> {
  const check = validator(NativeRequest);
  const waiting: Promise<Answer>[] = [];
  let clean = true;
  const write = async () => {
    const answer = await waiting.shift();
    if (!answer) return;
    process.stdout.write(`${answer.text}\n`);
    if (answer.failed) clean = false;
  };
  const answerLine = async (line: string): Promise<object> => {
    const checked = check(parse(line));
    if ("error" in checked) throw checked.error;
    const job = readNative(checked.value);
    return writeNative(job, await rerankAll(reranker, job, () => {}), model);
  };
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() === "") continue;
    waiting.push(settled(number, answerLine(line)));
    if (waiting.length >= linesAtOnce) await write();
  }
  while (waiting.length > 0) await write();
  return clean;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new RerankError("invalid_json", "expected JSON, got text that is not JSON");
  }
}

async function settled(line: number, answer: Promise<object>): Promise<Answer> {
  try {
    return { text: JSON.stringify(await answer), failed: false };
  } catch (error) {
    const code = error instanceof RerankError ? error.code : "engine_error";
    const message = `line ${line}: ${error instanceof Error ? error.message : String(error)}`;
    process.stderr.write(`jina-reranker: ${message}\n`);
    return { text: JSON.stringify({ line, error: { code, message } }), failed: true };
  }
}
