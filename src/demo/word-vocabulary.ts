/**
 * The demo model's vocabulary. It is Qwen2's, rearranged: a word is cut into the same pieces with and without a space before it,
 * and in lower, title and upper case; a common word is one piece.
 *
 * Four rules do that. (1) Merges lose their space: "Ġri ver" becomes "ri ver". Spaces join whole words by the last merges.
 * (2) Each merge comes in three cases with neighbouring ranks, so BPE cuts "Kernel" and "KERNEL" where it cuts "kernel".
 * (3) The endings -ed and -ing are merged first. They and -s are never merged with what comes before, so "rivers" is cut into
 * "river" and "s". (4) A common word that is still in pieces gets merges of its own after Qwen2's.
 */

import { splitMerge, tokenizerOf, type Vocabulary, type VocabularySource } from "./vocabulary.js";
import { foldToken, stem, tokenOf, tokenText, trunks } from "./words.js";

/** BPE's token ids follow frequency. Words among the first so many tokens become one piece. */
export const commonTokens = 40_000;
/** Other pieces are kept from the first so many tokens: pieces with a letter beyond ASCII, and ASCII ones. */
const foreignTokens = 24_000;
const asciiTokens = 6_000;

const space = "Ġ";

type Merge = readonly [left: string, right: string];

export interface WordVocabulary extends Vocabulary {
  /** In lower case, with inflected forms. */
  readonly commonWords: ReadonlySet<string>;
}

export function wordVocabulary(source: VocabularySource): WordVocabulary {
  const common = source.tokens.slice(0, commonTokens);
  const commonWords = new Set(common.filter((token) => /^Ġ[a-z]{2,}$/.test(token)).map((token) => token.slice(1)));
  const whole = [...commonWords].filter((word) => !isCutAtEnding(word, commonWords));
  const marks = source.tokens.slice(0, asciiTokens).filter((token) => !/[\p{L}\s]|^$/u.test(tokenText(token)));
  const merges = [
    ...lowerCaseMerges(source, [...whole, ...whole.flatMap(trunks)]).flatMap(inThreeCases),
    ...[...whole, ...marks].map((word): Merge => [space, word]),
  ];
  // In scripts without case, such as Chinese, the three merges are one.
  const unique = new Map(merges.map((merge) => [merge.join(" "), merge]));
  const tokens = new Set([...source.tokens.slice(0, 256), ...[...unique.values()].map(([left, right]) => left + right)]);
  return { ...tokenizerOf([...tokens], [...unique.keys()]), commonWords };
}

const endingMerges: readonly Merge[] = [
  ["e", "d"],
  ["i", "n"],
  ["in", "g"],
];
const endsInflected = /^[a-z]+(?:s|ed|ing)$/;

/** Whether the word without its ending has the same stem. Then the word need not be one piece. */
function isCutAtEnding(word: string, known: ReadonlySet<string>): boolean {
  const [, before = ""] = /^(..+)(?:s|ed|ing)$/.exec(word) ?? [];
  return stem(word, known) !== word && stem(before, known) === stem(word, known);
}

/** Qwen2's merges without spaces and capitals, by rank: the frequent ones, and those that build the common words. */
function lowerCaseMerges(source: VocabularySource, words: readonly string[]): Merge[] {
  const place = new Map(source.tokens.map((token, index) => [token, index]));
  const all = new Map(endingMerges.map((merge) => [merge.join(" "), { merge, kept: true }]));
  for (const text of source.merges) {
    const [left, right] = splitMerge(text);
    const merge: Merge = [foldToken(left), foldToken(right)];
    const key = merge.join(" ");
    if (left === space || all.has(key) || joinsLettersWithOthers(merge) || endsInflected.test(merge.join(""))) continue;
    const limit = /^[!-~Ġ]*$/.test(left + right) ? asciiTokens : foreignTokens;
    all.set(key, { merge, kept: (place.get(left + right) ?? limit) < limit });
  }
  const ranks = new Map([...all.keys()].map((key, index) => [key, index]));
  const needed = new Set<string>();
  for (const word of words) cut(word, ranks, (key) => needed.add(key));
  const kept = [...all].filter(([key, { kept }]) => kept || needed.has(key)).map(([, { merge }]) => merge);
  return [...kept, ...missingMerges(kept, words)];
}

/** The merges that join the words which `merges` leave in pieces. */
function missingMerges(merges: readonly Merge[], words: Iterable<string>): Merge[] {
  const ranks = new Map(merges.map((merge, index) => [merge.join(" "), index]));
  const missing: Merge[] = [];
  for (const word of words) {
    for (let pieces = cut(word, ranks); pieces.length > 1; ) {
      // An s inside a word joins the piece after it, so that no piece ends with s and takes the s of a plural.
      const at = Math.max(
        0,
        pieces.findIndex((piece, index) => piece.endsWith("s") && index + 1 < pieces.length),
      );
      const [left = "", right = ""] = pieces.slice(at, at + 2);
      pieces = pieces.toSpliced(at, 2, left + right);
      const key = `${left} ${right}`;
      if (ranks.has(key)) continue;
      ranks.set(key, ranks.size);
      missing.push([left, right]);
    }
  }
  return missing;
}

/** Byte-pair encoding: merges the neighbours with the lowest rank first; of equal ranks the leftmost. */
export function cut(word: string, ranks: ReadonlyMap<string, number>, onMerge: (merge: string) => void = () => {}): string[] {
  const pieces = [...word];
  for (;;) {
    let lowest = Number.POSITIVE_INFINITY;
    let at = 0;
    for (let index = 0; index + 1 < pieces.length; index++) {
      const rank = ranks.get(`${pieces[index]} ${pieces[index + 1]}`) ?? Number.POSITIVE_INFINITY;
      if (rank < lowest) [lowest, at] = [rank, index];
    }
    if (lowest === Number.POSITIVE_INFINITY) return pieces;
    const [left, right] = pieces.slice(at, at + 2);
    onMerge(`${left} ${right}`);
    pieces.splice(at, 2, `${left}${right}`);
  }
}

/** Such merges would make "(coffee" and "coffee" different words. */
function joinsLettersWithOthers(merge: Merge): boolean {
  const texts = merge.map(tokenText);
  if (texts.some((text) => text.includes("\ufffd"))) return false;
  const [left, right] = texts.map((text) => /^[\p{L}\p{M}]+$/u.test(text));
  return left !== right || (!left && /\p{L}/u.test(texts.join("")));
}

/** Title case first: BPE merges the leftmost of equal neighbours first, and the capital of a title is at the left. */
function inThreeCases([left, right]: Merge): Merge[] {
  return [
    [inCase(left, title), right],
    [left, right],
    [inCase(left, upper), inCase(right, upper)],
  ];
}

const upper = (text: string) => text.toUpperCase();
const title = ([first = "", ...rest]: string) => first.toUpperCase() + rest.join("");

/** Leaves a letter as it is when its other case is several letters, such as ß. */
function inCase(token: string, change: (text: string) => string): string {
  const text = tokenText(token);
  if (text.includes("\ufffd")) return token;
  const changed = change(text);
  return [...changed].length === [...text].length ? tokenOf(changed) : token;
}
