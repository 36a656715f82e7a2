/** Damaged lines for `rerank --jsonl`. Each is answered, with a ranking or with an error. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rerankJsonl } from "../../src/cli/jsonl.js";
import { type ErrorCode, errorTable } from "../../src/errors.js";
import type { Reranker } from "../../src/reranker.js";
import { garbled, mutated } from "./json-mutation.js";
import { Chance } from "./random.js";

/** A damaged line. It is valid UTF-8, because other bytes are an error of another kind. */
function line(chance: Chance): string {
  const body = { query: "machine learning", documents: ["sunny", "machines learn"], top_k: chance.below(3) };
  const json = Buffer.from(JSON.stringify(mutated(chance, body)) ?? "");
  return (chance.once(3) ? garbled(chance, json) : json).toString("utf8").replaceAll("\0", chance.once(2) ? "\0" : " ");
}

/** Throws at the first line without an answer, or with a server error. */
export async function fuzzLines(load: () => Promise<Reranker>, seed: number, count: number): Promise<void> {
  const chance = new Chance(seed);
  const lines = Array.from({ length: count }, () => line(chance))
    .join("\n")
    .split("\n");
  const folder = await mkdtemp(join(tmpdir(), "jina-reranker-fuzz-"));
  try {
    const [input, output] = [join(folder, "in.jsonl"), join(folder, "out.jsonl")];
    await writeFile(input, `${lines.join("\n")}\n`);
    const run = { files: [input], shard: undefined, imageFolder: undefined, output, signal: new AbortController().signal };
    const failed = await rerankJsonl(run, { name: "m", load });
    const answers = (await readFile(output, "utf8")).trimEnd().split("\n");
    if (answers.length !== lines.length) throw new Error(`${answers.length} answers for ${lines.length} lines of seed ${seed}`);
    const refused = answers.filter((answer, index) => isRefusal(answer, index + 1, lines[index] ?? "", seed));
    if (refused.length !== failed) throw new Error(`${refused.length} errors, ${failed} counted, of seed ${seed}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function isRefusal(answer: string, number: number, asked: string, seed: number): boolean {
  const parsed: { line?: number; results?: unknown; error?: { code: ErrorCode; message: string } } = JSON.parse(answer);
  const { error } = parsed;
  const known = error === undefined ? Array.isArray(parsed.results) : errorTable[error.code].status < 500;
  if (parsed.line === number && known) return error !== undefined;
  throw new Error(`line ${number} of seed ${seed}, ${JSON.stringify(asked.slice(0, 2000))}, was answered with ${answer}`);
}
