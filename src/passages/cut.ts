/** Cuts a document into passages: as many whole sentences as fit, the last ones of a passage again at the start of the next. Pure. */

import { type CountTokens, type Piece, piecesOf, type Span } from "./pieces.js";

export interface PassageLimits {
  /** Tokens of a passage. */
  readonly maxTokens: number;
  /** Tokens at the end of a passage that the next one begins with, at most: fewer than maxTokens. */
  readonly overlapTokens: number;
  /** Passages of a document. */
  readonly max: number;
}

export interface CutDocument {
  /** In order, without gaps: from the document's start to its end, unless there are `max` of them. */
  readonly spans: readonly Span[];
  /** Tokens behind the last passage, as estimated: at least 1 when anything is; 0 = none. */
  readonly droppedTokens: number;
}

/** A document of at most this many UTF-16 units for each token of a passage is tried as one passage first. */
const unitsPerToken = 8;

/**
 * Yields whenever the caller may do something else first. `count` of a passage is at most maxTokens, but for a grapheme that has
 * more alone; of what two share, at most overlapTokens.
 */
export function* cutDocument(text: string, limits: PassageLimits, count: CountTokens): Generator<void, CutDocument> {
  const { maxTokens, max } = limits;
  if (text.length <= maxTokens * unitsPerToken && count(text) <= maxTokens) {
    return { spans: [{ start: 0, end: text.length }], droppedTokens: 0 };
  }
  const pieces = new Pieces(text, maxTokens, count);
  const spans: Span[] = [];
  let first = 0;
  // Of the first piece that is in no passage yet.
  let next = 0;
  while (pieces.has(next) && spans.length < max) {
    const fits = (start: number) => pieces.tokens(start, next + 1) <= maxTokens;
    if (first < next && !fits(first)) first = yield* earliest(first + 1, next, fits);
    const end = yield* endOfPassage(pieces, first, next, maxTokens);
    spans.push(pieces.span(first, end));
    // The next passage begins behind this one's start.
    first = yield* earliest(first + 1, end, (start) => pieces.tokens(start, end) <= limits.overlapTokens);
    next = end;
  }
  return { spans, droppedTokens: pieces.has(next) ? pieces.tokensBehind(next) : 0 };
}

/** The passage begins with piece `first` and has piece `next`; it ends before the piece that is returned. */
function* endOfPassage(pieces: Pieces, first: number, next: number, maxTokens: number): Generator<void, number> {
  let end = next + 1;
  let tokens = pieces.sum(first, end);
  for (; pieces.has(end); end += 1) {
    yield;
    tokens += pieces.sum(end, end + 1);
    // Together they have fewer tokens than apart, as a rule.
    if (tokens > maxTokens) tokens = pieces.tokens(first, end + 1);
    if (tokens > maxTokens) break;
  }
  for (; end > next + 1 && pieces.tokens(first, end) > maxTokens; end -= 1) yield;
  return end;
}

/**
 * The earliest piece from `least` to `most` from which on `fits`; `most` where none does. Tokens grow with a text, so it looks in
 * steps that double, back from `most`, and halves the last one: each look reads all that is shared.
 */
function* earliest(least: number, most: number, fits: (start: number) => boolean): Generator<void, number> {
  let fitting = most;
  let tooEarly = least - 1;
  for (let step = 1; fitting - tooEarly > 1; step = Math.min(2 * step, Math.ceil((fitting - tooEarly) / 2))) {
    yield;
    const start = Math.max(tooEarly + 1, fitting - step);
    if (fits(start)) fitting = start;
    else tooEarly = start;
  }
  return fitting;
}

/** A text's pieces, read when they are asked for. Ranges are of pieces. */
class Pieces {
  readonly #text: string;
  readonly #count: CountTokens;
  readonly #source: Generator<Piece, void>;
  readonly #read: Piece[] = [];

  constructor(text: string, maxTokens: number, count: CountTokens) {
    this.#text = text;
    this.#count = count;
    this.#source = piecesOf(text, maxTokens, count);
  }

  has(index: number): boolean {
    while (this.#read.length <= index) {
      const { value } = this.#source.next();
      if (!value) return false;
      this.#read.push(value);
    }
    return true;
  }

  /** Where they are in the text; at least one, all read. */
  span(first: number, end: number): Span {
    const [from, to] = [this.#read[first], this.#read[end - 1]];
    if (!from || !to) throw new Error("a passage has pieces");
    return { start: from.start, end: to.end };
  }

  /** Tokens of their text. */
  tokens(first: number, end: number): number {
    const { start, end: to } = this.span(first, end);
    return this.#count(this.#text.slice(start, to));
  }

  /** Tokens of each, added up. */
  sum(first: number, end: number): number {
    return this.#read.slice(first, end).reduce((sum, { tokens }) => sum + tokens, 0);
  }

  /** An estimate from what was read: a text's end has as many tokens as its start. */
  tokensBehind(index: number): number {
    const { end } = this.span(0, index);
    const rest = this.#text.length - end;
    return Math.max(1, Math.round((this.sum(0, index) * rest) / end));
  }
}
