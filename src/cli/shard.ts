/** Which lines of a bulk file a process answers: with n shards, line k (from 1) belongs to shard ((k - 1) mod n) + 1. */

import { RerankError } from "../errors.js";

export interface Shard {
  /** From 1 to count. */
  readonly index: number;
  readonly count: number;
}

export const wholeFile: Shard = { index: 1, count: 1 };

/** Kubernetes sets it in the pods of an indexed Job. It counts from 0. */
const jobVariable = "JOB_COMPLETION_INDEX";

const expected = "i/n with i from 1 to n, or job/n for the i of a Kubernetes indexed Job";

/** Throws invalid_option. */
export function parseShard(text: string, environment: Readonly<Record<string, string | undefined>>): Shard {
  const [, given, total] = /^(job|\d{1,9})\/(\d{1,9})$/.exec(text.trim()) ?? [];
  const count = Number(total);
  if (given === undefined || count < 1)
    throw new RerankError("invalid_option", `--shard: expected ${expected}, got ${JSON.stringify(text)}`);
  if (given === "job") return { index: jobIndex(environment[jobVariable], count) + 1, count };
  const index = Number(given);
  if (index >= 1 && index <= count) return { index, count };
  throw new RerankError("invalid_option", `--shard: expected ${expected}, got ${JSON.stringify(text)}`);
}

function jobIndex(text: string | undefined, count: number): number {
  const index = text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  if (index !== undefined && index < count) return index;
  const came = text === undefined ? "nothing" : JSON.stringify(text);
  throw new RerankError(
    "invalid_option",
    `${jobVariable}: expected a whole number from 0 to ${count - 1} for --shard job/${count}, got ${came}`,
  );
}

/** The line of the input, from 1, that the shard answers as its `position`-th, from 0. */
export function lineAt({ index, count }: Shard, position: number): number {
  return index + position * count;
}

export function holds({ index, count }: Shard, line: number): boolean {
  return (line - index) % count === 0;
}
