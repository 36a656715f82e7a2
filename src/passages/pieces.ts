/**
 * Splits a text where a passage may begin or end: behind a sentence; where a sentence is too long, before a word; where a word is
 * too long, between graphemes. Places are Unicode's (UAX 29), as Intl.Segmenter finds them. Pure.
 */

/** A part of a text, in UTF-16 units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Piece extends Span {
  /** Of the piece alone: in its text it may have fewer, and seldom more. */
  readonly tokens: number;
}

/** How many tokens a text has. */
export type CountTokens = (text: string) => number;

/** A fixed locale: the machine's would change places. Words of scripts without spaces are found by ICU's dictionaries in any. */
const locale = "en";
const segmenters = {
  sentence: new Intl.Segmenter(locale, { granularity: "sentence" }),
  word: new Intl.Segmenter(locale, { granularity: "word" }),
  grapheme: new Intl.Segmenter(locale, { granularity: "grapheme" }),
};
type Granularity = keyof typeof segmenters;
const coarseToFine: readonly Granularity[] = ["sentence", "word", "grapheme"];

/**
 * UTF-16 units that are looked at together: V8 takes time for a segment that grows with the text it is in. A grapheme that is
 * longer, which no script has, is split.
 */
const windowLength = 2048;

/** Of a sentence that is too long, a piece has at most this part of a passage's tokens. */
const wordsShare = 8;

/** The pieces follow each other without gaps. Of more than `maxTokens` tokens is only a grapheme that has as many. */
export function* piecesOf(text: string, maxTokens: number, count: CountTokens): Generator<Piece, void> {
  for (let start = 0; start < text.length; ) {
    const end = completeEnd(text, start);
    const sentences = edgesOf(text, { start, end }, "sentence");
    for (const [index, from] of sentences.slice(0, -1).entries()) {
      const sentence = { start: from, end: sentences[index + 1] ?? end };
      const tokens = count(text.slice(sentence.start, sentence.end));
      if (tokens <= maxTokens) yield { ...sentence, tokens };
      else yield* partsOf(text, edgesOf(text, sentence, "word"), maxTokens, count);
    }
    start = end;
  }
}

/** Halves the text between the first edge and the last until a part is short enough, or has no edge inside. */
function* partsOf(text: string, edges: readonly number[], maxTokens: number, count: CountTokens): Generator<Piece, void> {
  const [start, end] = [edges[0], edges.at(-1)];
  if (start === undefined || end === undefined) return;
  const tokens = count(text.slice(start, end));
  const middle = Math.floor(edges.length / 2);
  if (tokens <= maxTokens / wordsShare) yield { start, end, tokens };
  else if (edges.length > 2) {
    yield* partsOf(text, edges.slice(0, middle + 1), maxTokens, count);
    yield* partsOf(text, edges.slice(middle), maxTokens, count);
  } else if (tokens <= maxTokens) yield { start, end, tokens };
  else {
    const graphemes = edgesOf(text, { start, end }, "grapheme");
    if (graphemes.length > 2) yield* partsOf(text, graphemes, maxTokens, count);
    else yield { start, end, tokens };
  }
}

/** The end of what can be judged from a window: its last sentence, word or grapheme may go on behind it. */
function completeEnd(text: string, start: number): number {
  const end = windowEnd(text, start);
  if (end === text.length) return end;
  const window = text.slice(start, end);
  for (const granularity of coarseToFine) {
    const last = splits(window, granularity).at(-1);
    if (last !== undefined) return start + last;
  }
  return end;
}

function windowEnd(text: string, start: number): number {
  const end = Math.min(text.length, start + windowLength);
  const character = text.codePointAt(end - 1) ?? 0;
  return character > 0xffff ? end + 1 : end;
}

/** Where the units of a part of a text begin, and the part's end. */
function edgesOf(text: string, { start, end }: Span, granularity: Granularity): number[] {
  return [start, ...splits(text.slice(start, end), granularity).map((split) => start + split), end];
}

/** The places inside a text, ascending. Unicode's sentences and words may begin inside a grapheme: such places are left out. */
function splits(text: string, granularity: Granularity): number[] {
  const graphemes = granularity === "grapheme" ? undefined : segmenters.grapheme.segment(text);
  const found: number[] = [];
  for (const { index, isWordLike } of segmenters[granularity].segment(text)) {
    // Spaces and signs stay with the word before them.
    if (index === 0 || isWordLike === false) continue;
    if (!graphemes || graphemes.containing(index)?.index === index) found.push(index);
  }
  return found;
}
