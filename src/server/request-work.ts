/** Estimates what a request costs before the engine has it: from its bytes, and from the bytes per token of recent requests. */

import type { Content, RerankRequest } from "../types.js";

/** Tokens of a prompt beside query and document: its headings and the score token. */
const fixedTokens = 10;
/** Bytes of UTF-8 per token of English text. */
const usualBytesPerToken = 4;
/** Most letters per token. A text with more than fit the context is not measured, since measuring reads all of it. */
const lettersPerToken = 16;
/** Weight of one request against all before it. */
const share = 0.05;

type Texts = Pick<RerankRequest, "query" | "documents" | "maxDocumentTokens">;

export interface TextMeasures {
  readonly bytesPerToken: number;
  /** Tokens a pair may have; longer documents are cut. */
  readonly contextSize: number;
}

/** Of all pairs of one body. */
export interface RequestWork {
  readonly tokens: number;
  /** In tokens that attend to nothing, as the engine's `workQueued`. */
  readonly work: number;
  /** Tokens of the longest pair. */
  readonly longest: number;
}

export function requestWork(requests: readonly Texts[], measures: TextMeasures, attentionCells: number): RequestWork {
  const pairs = requests.flatMap((request) => pairTokens(request, measures));
  return {
    tokens: pairs.reduce((sum, tokens) => sum + tokens, 0),
    work: pairs.reduce((sum, tokens) => sum + tokens * (1 + tokens / 2 / attentionCells), 0),
    longest: pairs.reduce((most, tokens) => Math.max(most, tokens), 0),
  };
}

/** Tokens of each pair. */
export function pairTokens({ query, documents, maxDocumentTokens = 0 }: Texts, measures: TextMeasures): number[] {
  const { contextSize } = measures;
  const longest = maxDocumentTokens > 0 ? Math.min(maxDocumentTokens, contextSize) : contextSize;
  const frame = fixedTokens + textTokens(query, measures);
  return documents.map((document) => Math.min(contextSize, frame + Math.min(longest, textTokens(document, measures))));
}

function textTokens(content: Content, { bytesPerToken, contextSize }: TextMeasures): number {
  const text = typeof content === "string" ? content : "";
  if (text.length > contextSize * lettersPerToken) return contextSize;
  return Math.ceil(Buffer.byteLength(text) / bytesPerToken);
}

/** Bytes per token of recent texts, learned from requests whose tokens were counted. */
export class BytesPerToken {
  #value = usualBytesPerToken;

  get value(): number {
    return this.#value;
  }

  /** `tokens`: of all pairs. Not for requests with cut documents: the cut end has bytes and no tokens. */
  learn({ query, documents }: Texts, tokens: number): void {
    const texts = tokens - fixedTokens * documents.length;
    if (texts <= 0) return;
    const bytes = documents.reduce(
      (sum, document) => sum + Buffer.byteLength(document),
      (typeof query === "string" ? Buffer.byteLength(query) : 0) * documents.length,
    );
    const seen = Math.min(lettersPerToken, Math.max(1, bytes / texts));
    this.#value += (seen - this.#value) * share;
  }
}
