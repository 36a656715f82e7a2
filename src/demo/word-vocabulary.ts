/**
 * The demo model's vocabulary: Qwen2's, so arranged that a word becomes the same pieces with and without a space before
 * it, and in lower, title and upper case, and that a common word is one piece.
 *
 * Three things do that. Merges lose their space ("Ġri ver" becomes "ri ver"), and spaces join whole words by merges behind
 * all others. A merge comes in three cases with neighbouring ranks, so that BPE cuts "Kernel" and "KERNEL" where it cuts
 * "kernel". A common word that is still in pieces gets merges of its own, behind Qwen2's.
 */

import { splitMerge, tokenizerOf, type Vocabulary, type VocabularySource } from "./vocabulary.js";
import { foldToken, isPartOfCharacter, tokenOf, tokenText } from "./words.js";

/** BPE's tokens are ordered by how common they are: words among the first so many are one piece. */
const commonTokens = 40_000;
/** Pieces of other words are kept from the first so many: those with a letter beyond ASCII, and the rest. */
const foreignTokens = 24_000;
const asciiTokens = 6_000;

const space = "Ġ";

type Merge = readonly [left: string, right: string];

export interface WordVocabulary extends Vocabulary {
  /** In lower case; each is one piece. */
  readonly commonWords: ReadonlySet<string>;
}

export function wordVocabulary(source: VocabularySource): WordVocabulary {
  const common = source.tokens.slice(0, commonTokens);
  const commonWords = new Set(common.filter((token) => /^Ġ[a-z]{2,}$/.test(token)).map((token) => token.slice(1)));
  const marks = source.tokens.slice(0, asciiTokens).filter((token) => !/[\p{L}\s]|^$/u.test(tokenText(token)));
  const merges = [
    ...lowerCaseMerges(source, commonWords).flatMap(inThreeCases),
    ...[...commonWords, ...marks].map((word): Merge => [space, word]),
  ];
  // Cases that do not differ, as of Chinese, leave one merge.
  const unique = new Map(merges.map((merge) => [merge.join(" "), merge]));
  const tokens = new Set([...source.tokens.slice(0, 256), ...[...unique.values()].map(([left, right]) => left + right)]);
  return { ...tokenizerOf([...tokens], [...unique.keys()]), commonWords };
}

/** Qwen2's merges without spaces and capitals, by rank: the most common ones and what the common words are made by. */
function lowerCaseMerges(source: VocabularySource, commonWords: ReadonlySet<string>): Merge[] {
  const place = new Map(source.tokens.map((token, index) => [token, index]));
  const all = new Map<string, { readonly merge: Merge; readonly kept: boolean }>();
  for (const text of source.merges) {
    const [left, right] = splitMerge(text);
    const merge: Merge = [foldToken(left), foldToken(right)];
    const key = merge.join(" ");
    if (left === space || all.has(key) || joinsLettersWithOthers(merge)) continue;
    const limit = /^[!-~Ġ]*$/.test(left + right) ? asciiTokens : foreignTokens;
    all.set(key, { merge, kept: (place.get(left + right) ?? limit) < limit });
  }
  const ranks = new Map([...all.keys()].map((key, index) => [key, index]));
  const needed = new Set<string>();
  for (const word of commonWords) cut(word, ranks, (key) => needed.add(key));
  const kept = [...all].filter(([key, { kept }]) => kept || needed.has(key)).map(([, { merge }]) => merge);
  return [...kept, ...missingMerges(kept, commonWords)];
}

/** What joins the words that these merges leave in pieces. */
function missingMerges(merges: readonly Merge[], words: Iterable<string>): Merge[] {
  const ranks = new Map(merges.map((merge, index) => [merge.join(" "), index]));
  const missing: Merge[] = [];
  for (const word of words) {
    const [first = "", ...rest] = cut(word, ranks);
    let joined = first;
    for (const piece of rest) {
      const merge: Merge = [joined, piece];
      joined += piece;
      if (ranks.has(merge.join(" "))) continue;
      ranks.set(merge.join(" "), ranks.size);
      missing.push(merge);
    }
  }
  return missing;
}

/** BPE: of all neighbours those with the lowest rank are merged first, the leftmost of equals. */
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

/** "(coffee" and "coffee" must not be different words. */
function joinsLettersWithOthers(merge: Merge): boolean {
  if (merge.some(isPartOfCharacter)) return false;
  const [left, right] = merge.map((token) => /^[\p{L}\p{M}]+$/u.test(tokenText(token)));
  return left !== right || (!left && /\p{L}/u.test(tokenText(merge.join(""))));
}

/** Title case first: of equal neighbours in a word the leftmost is merged first, and that is where a title's capital is. */
function inThreeCases([left, right]: Merge): Merge[] {
  return [
    [inCase(left, title), right],
    [left, right],
    [inCase(left, upper), inCase(right, upper)],
  ];
}

const upper = (text: string) => text.toUpperCase();
const title = ([first = "", ...rest]: string) => first.toUpperCase() + rest.join("");

/** Letters whose other case is several letters, such as ß, stay as they are. */
function inCase(token: string, change: (text: string) => string): string {
  if (isPartOfCharacter(token)) return token;
  const text = tokenText(token);
  const changed = change(text);
  return [...changed].length === [...text].length ? tokenOf(changed) : token;
}
