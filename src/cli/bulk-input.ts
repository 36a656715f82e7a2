/** The lines that a bulk run has to answer. Lines are counted from 1 over all files together, or over stdin. */

import { createReadStream } from "node:fs";
import { addAbortSignal, type Readable } from "node:stream";
import { RerankError } from "../errors.js";
import { decodeUtf8, refuseUtf16, withoutMark } from "../files/utf8.js";
import { type Line, linesOf } from "./lines.js";
import { holds, type Shard } from "./shard.js";

/** Bytes. A longer line gets an error as its answer, so that a file without line ends cannot fill the memory. */
export const longestLine = 64 * 2 ** 20;

export interface NumberedLine {
  readonly number: number;
  /** The trimmed text, or the error of a line that cannot be read. */
  readonly text: string | RerankError;
}

export interface BulkInput {
  /** None = stdin. */
  readonly files: readonly string[];
  readonly shard: Shard;
  /** Lines of the shard that earlier runs have answered. */
  readonly skip: number;
  /** Whether empty lines are yielded too. */
  readonly empty: boolean;
  /** Ends the generator without an error. */
  readonly signal: AbortSignal;
}

/** Throws invalid_request when a file cannot be read or is UTF-16, or the input has fewer lines than are to be skipped. */
export async function* numberedLines({ files, shard, skip, empty, signal }: BulkInput): AsyncGenerator<NumberedLine, void> {
  let number = 0;
  let left = skip;
  for await (const line of linesIn(files, signal)) {
    number += 1;
    if (!holds(shard, number)) continue;
    if (left > 0) {
      left -= 1;
      continue;
    }
    const text = textOf(line);
    if (empty || text !== "") yield { number, text };
  }
  if (left > 0 && !signal.aborted) {
    throw new RerankError(
      "invalid_request",
      `the output has ${left} answers more than the input has lines for: it answers another input`,
    );
  }
}

function textOf({ bytes, length }: Line): string | RerankError {
  if (length > bytes.length) {
    return new RerankError("invalid_request", `expected a line of no more than ${longestLine} bytes, got ${length}`);
  }
  try {
    return decodeUtf8(bytes).trim();
  } catch (error) {
    if (error instanceof RerankError) return error;
    throw error;
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
  let first = true;
  try {
    for await (const line of linesOf(stream, longestLine)) {
      if (first) refuseUtf16(line.bytes, name);
      yield first ? lineWithoutMark(line) : line;
      first = false;
    }
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof RerankError) throw error;
    throw new RerankError("invalid_request", `${name} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function lineWithoutMark(line: Line): Line {
  const bytes = withoutMark(line.bytes);
  return { ...line, bytes, length: line.length - (line.bytes.length - bytes.length) };
}
