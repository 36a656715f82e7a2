/** `verify`: scores pairs whose scores are known, and tells the differences. */

import { basename } from "node:path";
import { RerankError } from "../errors.js";
import { modelSource } from "../load.js";
import type { Reranker } from "../reranker.js";
import type { ModelSettings } from "../settings/table.js";
import type { Content } from "../types.js";
import { imageAt, isPathImage } from "./image-paths.js";
import { loadWithProgress } from "./load-with-progress.js";
import { readText } from "./read-text.js";
import { printable, table } from "./table.js";

export interface VerifyCommand {
  /** Path of a file with a `{"query","document","score"}` on each line; an image is `{"image_path"}`. */
  readonly pairs: string;
  readonly tolerance: number;
  /** The folder in which pairs may name images; undefined = they may name none. */
  readonly imageFolder: string | undefined;
  readonly json: boolean;
}

interface Pair {
  readonly line: number;
  readonly query: Content;
  readonly document: Content;
  readonly score: number;
}

/** Images of one request are few. */
const sliceLength = 16;

/** False when a score differs by more than the tolerance. */
export async function verify(
  { pairs: path, tolerance, imageFolder, json }: VerifyCommand,
  settings: ModelSettings,
): Promise<boolean> {
  const pairs = await parsePairs(path, await readText(path), imageFolder);
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
      nameOf(document),
    ]);
    process.stdout.write(table(["line", "expected", "scored", "difference", "", "document"], cells));
    process.stdout.write(
      `\n${rows.length} pairs: max difference ${worst.difference.toFixed(6)} (line ${worst.line}), mean ${mean.toFixed(6)}; ` +
        `${within ? "within" : "beyond"} the tolerance ${tolerance}\n`,
    );
  }
  return within;
}

function nameOf(content: Content): string {
  if (typeof content === "string") return printable(content);
  return typeof content.image === "string" ? printable(basename(content.image)) : "(an image)";
}

/** Scores the pairs of one query together. */
async function scoresOf(reranker: Reranker, pairs: readonly Pair[]): Promise<Float32Array> {
  const scores = new Float32Array(pairs.length);
  const byQuery = new Map<string, { readonly query: Content; readonly entries: { index: number; document: Content }[] }>();
  for (const [index, { query, document }] of pairs.entries()) {
    const key = JSON.stringify(query);
    const group = byQuery.get(key) ?? { query, entries: [] };
    group.entries.push({ index, document });
    byQuery.set(key, group);
  }
  for (const { query, entries } of byQuery.values()) {
    for (let start = 0; start < entries.length; start += sliceLength) {
      const slice = entries.slice(start, start + sliceLength);
      const result = await reranker.score({ query, documents: slice.map(({ document }) => document) });
      for (const [position, { index }] of slice.entries()) scores[index] = result.scores[position] ?? Number.NaN;
    }
  }
  return scores;
}

async function parsePairs(path: string, text: string, imageFolder: string | undefined): Promise<readonly Pair[]> {
  const lines = text
    .split(/\r?\n/)
    .map((content, index) => ({ content, line: index + 1 }))
    .filter(({ content }) => content.trim() !== "");
  if (lines.length === 0) throw new RerankError("invalid_request", `${path}: expected a pair a line, got none`);
  return await Promise.all(lines.map(({ content, line }) => parsePair(`${path}, line ${line}`, content, line, imageFolder)));
}

async function parsePair(where: string, text: string, line: number, imageFolder: string | undefined): Promise<Pair> {
  const expected = 'expected {"query", "document": text or {"image_path"} each, "score": number from 0 to 1}';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RerankError("invalid_json", `${where}: ${expected}, got text that is not JSON`);
  }
  if (typeof value === "object" && value !== null && "query" in value && "document" in value && "score" in value) {
    const { score } = value;
    const [query, document] = await Promise.all(
      [value.query, value.document].map(async (content, index) => {
        if (!isPathImage(content)) return typeof content === "string" ? content : undefined;
        return await imageAt(content, `${where}: ${index === 0 ? "query" : "document"}`, imageFolder);
      }),
    );
    if (query !== undefined && document !== undefined && typeof score === "number" && score >= 0 && score <= 1) {
      return { line, query, document, score };
    }
  }
  throw new RerankError("invalid_request", `${where}: ${expected}, got ${text.slice(0, 100)}`);
}
