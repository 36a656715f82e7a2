/** Has any number of documents computed and kept, a slice at a time, in bounded memory. */

import { isDeepStrictEqual } from "node:util";
import { RerankError } from "../errors.js";
import type { Reranker } from "../reranker.js";
import type { Content, KeepRequest } from "../types.js";
import type { LineOptions, Source } from "./warm-input.js";

/** Documents and characters of a slice. A document of more characters is a slice of its own. */
const sliceLength = 32;
const sliceCharacters = 2 ** 20;
/** An image is read when its slice is computed, and held until then. */
const charactersOfAnImage = sliceCharacters / 8;
/** For each engine: one slice is tokenized while another is computed. */
const slicesAtOnce = 2;

export interface Kept {
  documents: number;
  truncated: number;
  stored: number;
  tokens: number;
  computedTokens: number;
  reusedTokens: number;
  /** Documents, or lines that could not be read. */
  failed: number;
}

interface Named {
  readonly name: string;
  readonly document: Content;
}

interface Slice {
  readonly documents: readonly Named[];
  readonly options: LineOptions;
}

export interface KeepOptions extends Pick<KeepRequest, "instruction" | "passages"> {
  readonly onProgress: (kept: Kept) => void;
  /** Called with one line for each document that is refused. */
  readonly onRefused: (message: string) => void;
}

/**
 * A line's own options count before these. Rejects when the engine fails. A document that is refused is counted, and the others go on.
 */
export async function keepAll(
  reranker: Reranker,
  sources: AsyncIterable<Source>,
  { onProgress, onRefused, ...options }: KeepOptions,
): Promise<Kept> {
  const kept: Kept = { documents: 0, truncated: 0, stored: 0, tokens: 0, computedTokens: 0, reusedTokens: 0, failed: 0 };
  const refuse = (name: string, error: RerankError) => {
    kept.failed += 1;
    onRefused(`${name}: ${error.message}`);
  };
  const keep = async (slice: Slice): Promise<void> => {
    try {
      const documents = slice.documents.map(({ document }) => document);
      const request = { ...options, ...slice.options, documents };
      const { truncated, storedDocuments, usage, timings } = await reranker.keep(request);
      kept.documents += documents.length;
      kept.truncated += truncated;
      kept.stored += storedDocuments;
      kept.tokens += usage.totalTokens;
      kept.computedTokens += timings.computedTokens;
      kept.reusedTokens += timings.reusedTokens;
      onProgress(kept);
    } catch (error) {
      if (!(error instanceof RerankError) || error.status >= 500) throw error;
      const [only, ...others] = slice.documents;
      // One document has the whole slice refused: the others are kept without it.
      if (only && others.length === 0) return refuse(only.name, error);
      for (const one of slice.documents) await keep({ ...slice, documents: [one] });
    }
  };
  const running = new Set<Promise<void>>();
  for await (const slice of slicesOf(sources, refuse)) {
    const work = keep(slice).finally(() => running.delete(work));
    // Whoever waits for all of them hears of the first failure.
    work.catch(() => {});
    running.add(work);
    if (running.size >= slicesAtOnce * reranker.devices.length) await Promise.race(running);
  }
  await Promise.all(running);
  return kept;
}

async function* slicesOf(
  sources: AsyncIterable<Source>,
  refuse: (name: string, error: RerankError) => void,
): AsyncGenerator<Slice> {
  let slice: Named[] = [];
  let size = 0;
  let shared: LineOptions = {};
  for await (const { name, content } of sources) {
    if (content instanceof RerankError) {
      refuse(name, content);
      continue;
    }
    for (const document of content.documents) {
      const length = typeof document === "string" ? document.length : charactersOfAnImage;
      const full = slice.length === sliceLength || size + length > sliceCharacters;
      if (slice.length > 0 && (full || !isDeepStrictEqual(content.options, shared))) {
        yield { documents: slice, options: shared };
        [slice, size] = [[], 0];
      }
      shared = content.options;
      slice.push({ name, document });
      size += length;
    }
  }
  if (slice.length > 0) yield { documents: slice, options: shared };
}
