/** The documents of a request as passages, and the documents' scores from those of their passages. Pure. */

import type { Image, KeepResult } from "../../binding.js";
import { inTheRequest } from "../engine/faults.js";
import { RerankError } from "../errors.js";
import type { Passage, ScoreResponse } from "../types.js";
import { cutDocument, type PassageLimits } from "./cut.js";
import type { CountTokens, Span } from "./pieces.js";

/** What of a document is scored: passages of its text, or an image. */
interface Cut {
  readonly text: string | undefined;
  /** Position of its first passage among those of all documents. */
  readonly first: number;
  /** Of the text. Of an image one, which means nothing. */
  readonly spans: readonly Span[];
  readonly droppedTokens: number;
}

export interface CutDocuments {
  /** Passages and images of all documents, in their order. */
  readonly contents: readonly (string | Image)[];
  /** For each of these, the position of its document. */
  readonly origins: readonly number[];
  readonly cuts: readonly Cut[];
}

export interface TimedCut extends CutDocuments {
  /** Milliseconds that cutting took. */
  readonly ms: number;
}

export interface Allowed {
  /** Passages of all documents, which are as many pairs. */
  readonly pairs: number;
  /** Whether a document's end may be left out. */
  readonly cut: boolean;
}

/** Yields as cutDocument does. Throws document_too_long, and too_many_documents where they could never be queued. */
export function* cutDocuments(
  documents: readonly (string | Image)[],
  limits: PassageLimits,
  allowed: Allowed,
  count: CountTokens,
): Generator<void, CutDocuments> {
  const contents: (string | Image)[] = [];
  const origins: number[] = [];
  const cuts: Cut[] = [];
  for (const [index, document] of documents.entries()) {
    yield;
    const text = typeof document === "string" ? document : undefined;
    // One too many shows that there are too many.
    const max = Math.min(limits.max, allowed.pairs - contents.length + 1);
    const { spans, droppedTokens } =
      text === undefined
        ? { spans: [{ start: 0, end: 0 }], droppedTokens: 0 }
        : yield* cutDocument(text, { ...limits, max }, count);
    if (contents.length + spans.length > allowed.pairs) {
      const message = `documents: at most ${allowed.pairs} passages, as many as may wait, are allowed in one request, got more`;
      throw new RerankError("too_many_documents", `${message}; send fewer documents, or a smaller passages.max`);
    }
    if (droppedTokens > 0 && !allowed.cut) {
      const message = `documents[${index}]: has more than ${limits.max} passages of ${limits.maxTokens} tokens and nothing may be cut`;
      throw new RerankError("document_too_long", message);
    }
    cuts.push({ text, first: contents.length, spans, droppedTokens });
    for (const { start, end } of spans) {
      contents.push(text === undefined ? document : text.slice(start, end));
      origins.push(index);
    }
  }
  return { contents, origins, cuts };
}

/**
 * The scores of the documents: of each the best passage's, the first one's of several. A document is scored when all its passages
 * are. Usage and times are those of all passages; cutting is tokenizing.
 */
export function bestOf({ cuts, ms }: TimedCut, ofPassages: ScoreResponse): ScoreResponse {
  const count = cuts.length;
  const scores = new Float32Array(count).fill(Number.NaN);
  const logits = new Float32Array(count).fill(Number.NaN);
  const promptTokens = new Uint32Array(count);
  const droppedTokens = new Uint32Array(count);
  const passages: (Passage | undefined)[] = [];
  const unscored: number[] = [];
  for (const [index, { text, first, spans, droppedTokens: dropped }] of cuts.entries()) {
    const end = first + spans.length;
    const its = ofPassages.logits.subarray(first, end);
    const best = its.indexOf(Math.max(...its));
    if (best === -1) {
      // The highest of numbers of which one is NaN is NaN.
      passages.push(undefined);
      unscored.push(index);
      continue;
    }
    scores[index] = ofPassages.scores[first + best] ?? Number.NaN;
    logits[index] = its[best] ?? Number.NaN;
    promptTokens[index] = sum(ofPassages.promptTokens.subarray(first, end));
    droppedTokens[index] = dropped + sum(ofPassages.droppedTokens.subarray(first, end));
    const span = spans[best];
    passages.push(text === undefined || !span ? undefined : passageOf(text, span));
  }
  const { usage, timings } = ofPassages;
  const { tokenizeMs, totalMs } = timings;
  const times = { ...timings, tokenizeMs: tokenizeMs + ms, totalMs: totalMs + ms };
  return { scores, logits, unscored, promptTokens, droppedTokens, passages, usage, timings: times };
}

/** What was kept of the documents, from what was kept of their passages. */
export function keptOf({ cuts, contents, ms }: TimedCut, ofPassages: KeepResult): KeepResult {
  const perDocument = (of: (cut: Cut) => number) => Uint32Array.from(cuts, of);
  const its = (tokens: Uint32Array, { first, spans }: Cut) => sum(tokens.subarray(first, first + spans.length));
  // A passage that is not stored leaves one document incomplete.
  const incomplete = contents.length - ofPassages.storedDocuments;
  return {
    ...ofPassages,
    promptTokens: perDocument((cut) => its(ofPassages.promptTokens, cut)),
    droppedTokens: perDocument((cut) => cut.droppedTokens + its(ofPassages.droppedTokens, cut)),
    storedDocuments: Math.max(0, cuts.length - incomplete),
    tokenizeMs: ofPassages.tokenizeMs + ms,
    totalMs: ofPassages.totalMs + ms,
  };
}

/** Rethrows the error of an engine, which numbers passages, with the number of the document. */
export function inDocuments(cut: CutDocuments | undefined): (error: unknown) => never {
  return (error) => {
    throw cut ? inTheRequest(error, cut.origins) : error;
  };
}

function sum(numbers: Uint32Array): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** UTF-16 places become places in Unicode characters. */
function passageOf(text: string, { start, end }: Span): Passage {
  const passage = text.slice(start, end);
  const before = characters(text, start);
  return { text: passage, start: before, end: before + characters(passage, passage.length) };
}

/** Code points of a text's first `end` UTF-16 units; a lone surrogate is one. */
function characters(text: string, end: number): number {
  let count = 0;
  for (let index = 0; index < end; count += 1) index += (text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1;
  return count;
}
