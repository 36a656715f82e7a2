/**
 * Writes the answers of a bulk run: into a file that a later run continues, or to stdout. Each answer is written whole before
 * the next one, so a killed process leaves complete lines and at most one cut line at the end.
 */

import { createReadStream } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { RerankError } from "../errors.js";
import { openToContinue, writeAt } from "../files/write-at.js";
import { type Line, linesOf } from "./lines.js";
import { lineAt, type Shard } from "./shard.js";

export interface Answers extends AsyncDisposable {
  /** Answers of earlier runs, and how many of them are errors. */
  readonly done: number;
  readonly failed: number;
  /** Resolves when the answer is with the operating system. */
  append(answer: string): Promise<void>;
}

export const standardOutput: Answers = {
  done: 0,
  failed: 0,
  append: (answer) =>
    new Promise((resolve, reject) => {
      process.stdout.write(`${answer}\n`, (error) => (error ? reject(error) : resolve()));
    }),
  [Symbol.asyncDispose]: async () => {},
};

/** Drops a cut last line. Throws invalid_option when the file holds anything but answers of this shard. */
export async function continueAnswers(path: string, shard: Shard): Promise<Answers> {
  let file: FileHandle;
  try {
    file = await openToContinue(path);
  } catch (error) {
    throw new RerankError(
      "invalid_option",
      `--output: ${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  try {
    if (!(await file.stat()).isFile()) {
      throw new RerankError(
        "invalid_option",
        `--output: ${path} is no ordinary file, which a run could go on with; stdout is the default`,
      );
    }
    const { bytes, done, failed } = await whatIsThere(path, shard);
    await file.truncate(bytes);
    let end = bytes;
    return {
      done,
      failed,
      append: async (answer) => {
        const line = Buffer.from(`${answer}\n`);
        await writeAt(file, line, end);
        end += line.length;
      },
      [Symbol.asyncDispose]: async () => {
        await file.sync();
        await file.close();
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Bytes of an answer that show which line it is for, and whether it is an error. */
const headLength = 64;

async function whatIsThere(path: string, shard: Shard): Promise<{ bytes: number; done: number; failed: number }> {
  let bytes = 0;
  let done = 0;
  let failed = 0;
  for await (const line of linesOf(createReadStream(path), headLength)) {
    if (!line.ended) break;
    if (isError(line, lineAt(shard, done))) failed += 1;
    done += 1;
    bytes += line.length + 1;
  }
  return { bytes, done, failed };

  function isError(line: Line, number: number): boolean {
    const [, answered, first] = /^\{"line":(\d+),"(\w+)"/.exec(line.bytes.toString("latin1")) ?? [];
    if (answered === String(number)) return first === "error";
    const found = answered === undefined ? "something else" : `line ${answered}`;
    throw new RerankError(
      "invalid_option",
      `--output: ${path} is not the output of shard ${shard.index}/${shard.count}: its line ${done + 1} should answer ` +
        `line ${number} of the input and answers ${found}; choose another file, or remove this one to start again`,
    );
  }
}
