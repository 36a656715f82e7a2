/** Cuts the documents of a request that asks for passages, with the engine's tokenizer, before the engine has it. */

import type { Image, PromptTokens } from "../../binding.js";
import { tokensOf } from "../images/size.js";
import type { ScoreRequest } from "../types.js";
import { cutDocuments, type TimedCut } from "./cut-documents.js";
import { inTurns } from "./in-turns.js";
import { passageLimits, within } from "./options.js";

export interface PassageTokenizer {
  readonly info: { readonly contextSize: number };
  tokenize(text: string): Int32Array;
  tokenizePair(query: string, document: string, instruction?: string): PromptTokens;
}

/** Tokens by which a document's may differ in its prompt, at the seams. */
const seamTokens = 4;
/** Tokens around an image. */
const frameTokens = 2;
/** UTF-16 units of a passage for each of its tokens, at most: of white space a token has a hundred, and to count takes long. */
const unitsPerToken = 16;

interface Loaded {
  readonly query: string | Image;
  readonly documents: readonly (string | Image)[];
}

/** Documents that were cut are passages. */
export type Prepared<Request extends Loaded> = Request & { readonly cut?: TimedCut };

/** Throws what cutDocuments does, and query_too_long. `maxPairs`: passages that one request may have. */
export async function withPassages<Request extends Loaded>(
  loaded: Request,
  { passages, instruction, truncate }: Pick<ScoreRequest, "passages" | "instruction" | "truncate">,
  tokenizer: PassageTokenizer,
  maxPairs: number,
  signal: AbortSignal | undefined,
): Promise<Prepared<Request>> {
  if (!passages) return loaded;
  const begun = performance.now();
  const limits = within(passageLimits(passages), roomFor(loaded, instruction, tokenizer));
  const allowed = { pairs: maxPairs, cut: truncate !== "never" };
  const count = (text: string) =>
    text.length > limits.maxTokens * unitsPerToken ? text.length / unitsPerToken : tokenizer.tokenize(text).length;
  const cut = await inTurns(cutDocuments(loaded.documents, limits, allowed, count), signal);
  return { ...loaded, documents: cut.contents, cut: { ...cut, ms: performance.now() - begun } };
}

/** Tokens that a document may have without being cut by the engine. */
function roomFor({ query }: Loaded, instruction: string | undefined, tokenizer: PassageTokenizer): number {
  const text = typeof query === "string" ? query : "";
  const ofImage = typeof query === "string" ? 0 : frameTokens + tokensOf(query);
  const others = tokenizer.tokenizePair(text, "", instruction).tokens.length + ofImage;
  return tokenizer.info.contextSize - others - seamTokens;
}
