/** The lines of a bulk input that a run has to answer: the files one after another, or stdin, counted from 1 throughout. */

import { createReadStream } from "node:fs";
import { addAbortSignal, type Readable } from "node:stream";
import { RerankError } from "../errors.js";
import { linesOf } from "./lines.js";
import { holds, type Shard } from "./shard.js";

/** Bytes; what is longer is answered with an error, so that a file without line ends cannot fill the memory. */
export const longestLine = 64 * 2 ** 20;

export interface NumberedLine {
  readonly number: number;
  /** Without white space around it; undefined = the line is too long. */
  readonly text: string | undefined;
  /** In bytes. */
  readonly length: number;
}

export interface BulkInput {
  /** None = stdin. */
  readonly files: readonly string[];
  readonly shard: Shard;
  /** Lines of the shard that have their answers. */
  readonly skip: number;
  /** Whether empty lines are lines, too. */
  readonly empty: boolean;
  /** Ends the lines; what was read and not yielded is dropped. */
  readonly signal: AbortSignal;
}

/** Throws invalid_request when a file cannot be read, or the input has fewer lines than are to be skipped. */
export async function* numberedLines({ files, shard, skip, empty, signal }: BulkInput): AsyncGenerator<NumberedLine, void> {
  const decoder = new TextDecoder();
  let number = 0;
  let left = skip;
  for await (const { bytes, length } of linesIn(files, signal)) {
    number += 1;
    if (!holds(shard, number)) continue;
    if (left > 0) {
      left -= 1;
      continue;
    }
    const text = length > bytes.length ? undefined : decoder.decode(bytes).trim();
    if (empty || text !== "") yield { number, text, length };
  }
  if (left > 0 && !signal.aborted) {
    throw new RerankError(
      "invalid_request",
      `the output has ${left} answers more than the input has lines for: it answers another input`,
    );
  }
}

async function* linesIn(files: readonly string[], signal: AbortSignal): ReturnType<typeof linesOf> {
  if (files.length === 0) {
    yield* untilAborted(addAbortSignal(signal, process.stdin), "stdin", signal);
    return;
  }
  for (const file of files) yield* untilAborted(createReadStream(file, { signal }), file, signal);
}

async function* untilAborted(stream: Readable, name: string, signal: AbortSignal): ReturnType<typeof linesOf> {
  try {
    yield* linesOf(stream, longestLine);
  } catch (error) {
    if (signal.aborted) return;
    throw new RerankError("invalid_request", `${name} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
