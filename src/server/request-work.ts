/**
 * Estimates what a request costs before the engine has it: from the bytes of its texts, the bytes per token of recent requests, and
 * the sizes of its images.
 */

import type { VisionInfo } from "../../binding.js";
import type { PassageLimits } from "../passages/cut.js";
import { passageLimits, within } from "../passages/options.js";
import type { Content, RerankRequest } from "../types.js";
import { imageTokens } from "./image-tokens.js";

/** Tokens of a prompt beside query and document: its headings and the score token. */
const fixedTokens = 10;
/** Tokens around an image: where it begins and where it ends. */
const frameTokens = 2;
/** Bytes of UTF-8 per token of English text. */
const usualBytesPerToken = 4;
/** Most letters per token. A text with more than fit the context is not measured, since measuring reads all of it. */
const lettersPerToken = 16;
/** Weight of one request against all before it. */
const share = 0.05;

export type Contents = Pick<RerankRequest<Content>, "query" | "documents" | "instruction" | "maxDocumentTokens" | "passages">;

export interface Measures {
  readonly bytesPerToken: number;
  /** Tokens a pair may have; longer documents are cut. */
  readonly contextSize: number;
  /** Pairs that can wait at most: a request of more is refused, so more of its passages are not looked at. */
  readonly maxPairs: number;
  /** See EngineInfo. */
  readonly attentionCells: number;
  /** undefined = images are refused. */
  readonly vision?: Pick<VisionInfo, "maxTokens" | "workPerToken"> | undefined;
}

export interface RequestWork {
  readonly pairs: number;
  /** Of all pairs. */
  readonly tokens: number;
  /** In tokens that attend to nothing, as the engine's `workQueued`: of the pairs, and of encoding each image once. */
  readonly work: number;
  /** Tokens of the longest pair. */
  readonly longest: number;
  /** Tokens of the images, each counted once. */
  readonly imageTokens: number;
}

/** The work of each request of one body. An image that occurs in several of them is encoded for the first. */
export function requestWork(requests: readonly Contents[], measures: Measures): RequestWork[] {
  const known = new Set<string>();
  return requests.map((request) => {
    const pairs = pairTokens(request, measures);
    const encoded = newImages(request, known).reduce((sum, data) => sum + tokensOfImage(data, measures), 0);
    const ofPairs = pairs.reduce((sum, tokens) => sum + tokens * (1 + tokens / 2 / measures.attentionCells), 0);
    return {
      pairs: pairs.length,
      tokens: pairs.reduce((sum, tokens) => sum + tokens, 0),
      work: ofPairs + encoded * (measures.vision?.workPerToken ?? 0),
      longest: pairs.reduce((most, tokens) => Math.max(most, tokens), 0),
      imageTokens: encoded,
    };
  });
}

/** Tokens of each pair: a document's, or each of its passages'. */
export function pairTokens(request: Contents, measures: Measures): number[] {
  const { query, documents, instruction = "", maxDocumentTokens = 0, passages } = request;
  const { contextSize } = measures;
  const longest = maxDocumentTokens > 0 ? Math.min(maxDocumentTokens, contextSize) : contextSize;
  const frame = fixedTokens + textTokens(instruction, measures) + contentTokens(query, measures);
  return documents.flatMap((document) => {
    if (typeof document !== "string" || passages === undefined) {
      return Math.min(contextSize, frame + Math.min(longest, contentTokens(document, measures)));
    }
    const limits = within(passageLimits(passages), contextSize - frame);
    return passageTokens(document, limits, measures).map((tokens) => Math.min(contextSize, frame + tokens));
  });
}

/** Tokens of each passage of a text. */
function passageTokens(text: string, { maxTokens, overlapTokens, max }: PassageLimits, measures: Measures): number[] {
  const tokens = textTokens(text, measures, maxTokens * max);
  const step = Math.max(1, maxTokens - overlapTokens);
  const count = Math.min(max, 1 + Math.max(0, Math.ceil((tokens - maxTokens) / step)), measures.maxPairs + 1);
  return Array.from({ length: count }, (_, index) => Math.min(maxTokens, tokens - index * step));
}

function contentTokens(content: Content, measures: Measures): number {
  if (typeof content === "string") return textTokens(content, measures);
  return frameTokens + tokensOfImage(dataOf(content), measures);
}

/** `most`: what is read of a text. */
function textTokens(text: string, { bytesPerToken, contextSize }: Measures, most = contextSize): number {
  if (text.length > most * lettersPerToken) return most;
  return Math.ceil(Buffer.byteLength(text) / bytesPerToken);
}

function tokensOfImage(data: string, { vision }: Measures): number {
  return vision ? imageTokens(data, vision.maxTokens) : 0;
}

/** The images of a request that `known` lacks, each once; adds them to it. */
function newImages({ query, documents }: Contents, known: Set<string>): string[] {
  return [query, ...documents].flatMap((content) => {
    const data = typeof content === "string" ? undefined : dataOf(content);
    if (data === undefined || known.has(data)) return [];
    known.add(data);
    return [data];
  });
}

/** What clients send in place of an image; files and bytes never come over HTTP. */
function dataOf({ image }: Exclude<Content, string>): string {
  return typeof image === "object" && "data" in image ? image.data : "";
}

/** Bytes per token of recent texts, learned from requests whose tokens were counted. */
export class BytesPerToken {
  #value = usualBytesPerToken;

  get value(): number {
    return this.#value;
  }

  /** `tokens`: of all pairs. Not for requests with cut documents: the cut end has bytes and no tokens. */
  learn({ query, documents, instruction = "", passages }: Contents, tokens: number): void {
    // Passages overlap, and each has the query.
    if (passages !== undefined) return;
    const texts = documents.filter((document) => typeof document === "string");
    // The tokens of images say nothing about texts.
    if (typeof query !== "string" || texts.length < documents.length) return;
    const ofTexts = tokens - fixedTokens * documents.length;
    if (ofTexts <= 0) return;
    const besides = Buffer.byteLength(query) + Buffer.byteLength(instruction);
    const bytes = texts.reduce((sum, document) => sum + Buffer.byteLength(document), besides * documents.length);
    const seen = Math.min(lettersPerToken, Math.max(1, bytes / ofTexts));
    this.#value += (seen - this.#value) * share;
  }
}
