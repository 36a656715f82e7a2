/** `verify`: scores pairs whose scores are known, and tells the differences. */

import { RerankError } from "../errors.js";
import { modelSource } from "../load.js";
import type { Reranker } from "../reranker.js";
import type { ModelSettings } from "../settings/table.js";
import { loadWithProgress } from "./load-with-progress.js";
import { readText } from "./read-text.js";
import { printable, table } from "./table.js";

export interface VerifyCommand {
  /** Path of a file with a `{"query","document","score"}` on each line. */
  readonly pairs: string;
  readonly tolerance: number;
  readonly json: boolean;
}

interface Pair {
  readonly line: number;
  readonly query: string;
  readonly document: string;
  readonly score: number;
}

const sliceLength = 32;

/** False when a score differs by more than the tolerance. */
export async function verify({ pairs: path, tolerance, json }: VerifyCommand, settings: ModelSettings): Promise<boolean> {
  const pairs = parsePairs(path, await readText(path));
  await using reranker = await loadWithProgress(modelSource(settings), settings);
  const scores = await scoresOf(reranker, pairs);
  const rows = pairs.map((pair, index) => {
    const actual = scores[index] ?? Number.NaN;
    return { ...pair, actual, difference: Math.abs(actual - pair.score) };
  });
  const worst = rows.reduce((left, right) => (right.difference > left.difference ? right : left));
  const mean = rows.reduce((sum, { difference }) => sum + difference, 0) / rows.length;
  const within = worst.difference <= tolerance;
  const summary = {
    pairs: rows.length,
    max_difference: worst.difference,
    line: worst.line,
    mean_difference: mean,
    tolerance,
    within,
  };
  if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else {
    const cells = rows.map(({ line, score, actual, difference, document }) => [
      ...[String(line), score.toFixed(4), actual.toFixed(4), difference.toFixed(4), difference > tolerance ? "beyond" : ""],
      printable(document),
    ]);
    process.stdout.write(table(["line", "expected", "scored", "difference", "", "document"], cells));
    process.stdout.write(
      `\n${rows.length} pairs: max difference ${worst.difference.toFixed(6)} (line ${worst.line}), mean ${mean.toFixed(6)}; ` +
        `${within ? "within" : "beyond"} the tolerance ${tolerance}\n`,
    );
  }
  return within;
}

/** Scores the pairs of one query together. */
async function scoresOf(reranker: Reranker, pairs: readonly Pair[]): Promise<Float32Array> {
  const scores = new Float32Array(pairs.length);
  const byQuery = new Map<string, { readonly index: number; readonly document: string }[]>();
  for (const [index, { query, document }] of pairs.entries()) {
    byQuery.set(query, [...(byQuery.get(query) ?? []), { index, document }]);
  }
  for (const [query, entries] of byQuery) {
    for (let start = 0; start < entries.length; start += sliceLength) {
      const slice = entries.slice(start, start + sliceLength);
      const result = await reranker.score({ query, documents: slice.map(({ document }) => document) });
      for (const [position, { index }] of slice.entries()) scores[index] = result.scores[position] ?? Number.NaN;
    }
  }
  return scores;
}

function parsePairs(path: string, text: string): readonly Pair[] {
  const pairs = text
    .split(/\r?\n/)
    .map((content, index) => ({ content, line: index + 1 }))
    .filter(({ content }) => content.trim() !== "")
    .map(({ content, line }) => parsePair(`${path}, line ${line}`, content, line));
  if (pairs.length === 0) throw new RerankError("invalid_request", `${path}: expected a pair a line, got none`);
  return pairs;
}

function parsePair(where: string, content: string, line: number): Pair {
  const expected = 'expected {"query": text, "document": text, "score": number from 0 to 1}';
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw new RerankError("invalid_json", `${where}: ${expected}, got text that is not JSON`);
  }
  if (typeof value === "object" && value !== null && "query" in value && "document" in value && "score" in value) {
    const { query, document, score } = value;
    if (typeof query === "string" && typeof document === "string" && typeof score === "number" && score >= 0 && score <= 1) {
      return { line, query, document, score };
    }
  }
  throw new RerankError("invalid_request", `${where}: ${expected}, got ${content.slice(0, 100)}`);
}
