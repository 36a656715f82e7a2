/**
 * The demo model: jina-reranker-m0's architecture, prompt and head, with weights that are constructed instead of trained. The
 * transformer computes what a keyword ranker computes: the share of the query's words that occur in the document. Rare words
 * count more; case, plural, -ing and -ed do not matter. It is for demos and tests and understands nothing.
 *
 * Layer 1 marks every token after the marker (`Query`) as the query's. In layer 2 a token attends to the tokens with its own
 * code, those of the document first; the document's share of that attention is the token's match: near 1 for a word that occurs
 * in the document, once or often, else near 0. In layer 3 the score token averages the matches of the query's tokens, weighted
 * by rarity. The head turns that average into the logit: 7 × average − 3.
 */

import { type Architecture, architectureMetadata, tensorShapes } from "./architecture.js";
import { type ModelFiles, writeModelFiles } from "./model-files.js";
import { encodeNpz } from "./npz-writer.js";
import { readSource, tokenizerMetadata, type VocabularySource } from "./vocabulary.js";
import { commonTokens, type WordVocabulary, wordVocabulary } from "./word-vocabulary.js";
import { endings, foldToken, isPartOfCharacter, isWord, stem, stopWords, tokenText } from "./words.js";

const architecture: Architecture = {
  name: "jina-reranker demo (lexical, not trained)",
  layers: 3,
  embeddingLength: 256,
  headLength: 128,
  kvHeads: 1,
  feedForwardLength: 32,
  // With this base RoPE rotates only the first twelve dimension pairs of a head noticeably. The others can carry content.
  ropeBase: 1e30,
  fileType: "f32",
};
const width = architecture.embeddingLength;
const head = architecture.headLength;

/** Dimensions of the residual stream: the first hold a token's code, then each has one meaning. */
const codeLength = 104;
const one = 104;
const rarity = 105;
const marker = 106;
const after = 107;
const match = 108;
const aggregate = 109;
/**
 * Value of the dimension `one`. Together with a code of ±1 it makes a token's root mean square 1, so the norms change nothing.
 */
const constant = Math.sqrt(width - codeLength);

/** Head dimensions that RoPE does not rotate noticeably; it rotates pairs (i, i + 64). */
const free = [...Array.from({ length: 52 }, (_, index) => 12 + index), ...Array.from({ length: 52 }, (_, index) => 76 + index)];

/** Another dimension, which RoPE rotates by less than a quarter of a radian over 32,768 tokens. */
const steady = 11;
/** Added to the attention logit of the document's tokens over the query's, the token itself among these. */
const documentsFirst = 4;

export interface LexicalModelOptions {
  /** A GGUF with Qwen2's tokenizer; default: the one in llama.cpp's sources. */
  vocabularyPath?: string;
}

/** Writes `lexical-demo.gguf` and `mlp_weights.npz` into the folder. */
export async function writeLexicalModel(directory: string, options: LexicalModelOptions = {}): Promise<ModelFiles> {
  const source = await readSource(options.vocabularyPath);
  const vocabulary = wordVocabulary(source);
  const weights = wireLayers();
  weights.set("token_embd.weight", embeddings(vocabulary, source));

  const tensors = tensorShapes(architecture, vocabulary.tokens.length).map(({ name, shape }) => {
    const values = weights.get(name);
    const rest = name.endsWith("norm.weight") ? 1 : 0;
    return {
      name,
      shape,
      // Codes are ±1, which float16 holds exactly.
      type: name === "token_embd.weight" ? ("f16" as const) : ("f32" as const),
      fill(block: Float32Array, offset: number) {
        if (values) block.set(values.subarray(offset, offset + block.length));
        else block.fill(rest);
      },
    };
  });
  const w1 = new Float32Array(width * width);
  w1[aggregate * width] = 1;
  const npz = encodeNpz({
    W1: { shape: [width, width], values: w1 },
    b1: { shape: [width], values: new Float32Array(width) },
    W2: { shape: [width, 1], values: Float32Array.from({ length: width }, (_, index) => (index === 0 ? 7 : 0)) },
    b2: { shape: [1], values: Float32Array.of(2.65 - 3) },
    logit_bias: { shape: [1], values: Float32Array.of(2.65) },
  });

  const metadata = new Map([...architectureMetadata(architecture), ...tokenizerMetadata(vocabulary)]);
  return writeModelFiles(directory, "lexical-demo", { metadata, tensors, head: npz });
}

/** Row-major [tokens][width]: a random ±1 code that tokens of one stem share, the constant, the rarity, and the marker. */
function embeddings(vocabulary: WordVocabulary, source: VocabularySource): Float32Array {
  const values = new Float32Array(vocabulary.tokens.length * width);
  const codes = new Map<string, Float32Array>();
  const random = signs(1);
  // BPE's token ids follow frequency. A stem is as frequent as its most frequent form.
  const stems = source.tokens.slice(0, commonTokens).map((token) => stemOf(token, vocabulary.commonWords));
  const places = new Map(stems.map((key, place): [string, number] => [key, place]).reverse());
  for (const [id, token] of vocabulary.tokens.entries()) {
    const key = stemOf(token, vocabulary.commonWords);
    let code = codes.get(key);
    if (!code) {
      code = Float32Array.from({ length: codeLength }, random);
      codes.set(key, code);
    }
    const row = values.subarray(id * width, (id + 1) * width);
    row.set(code);
    row[one] = constant;
    row[rarity] = Math.log(rarityOf(key, places.get(key) ?? source.tokens.length)) / 10;
    row[marker] = token === "Query" ? 1 : 0;
  }
  return values;
}

/** Tokens with equal stems count as the same word. */
function stemOf(token: string, known: ReadonlySet<string>): string {
  const folded = foldToken(token);
  return isPartOfCharacter(folded) ? folded : stem(tokenText(folded), known);
}

/** A stand-in for inverse document frequency. */
function rarityOf(key: string, place: number): number {
  // The prompt's own headings and non-words must not count.
  if (key === "query" || key === "document" || !isWord(key) || endings.has(key)) return 1e-4;
  return stopWords.has(key) ? 0.02 : Math.log(2 + place / 100);
}

/** The tensors that are not all zero (all one, for norms), by name. */
function wireLayers(): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  const root = Math.sqrt(head); // cancels attention's 1/sqrt(head length)
  const content = free[0] as number;
  const matrix = (layer: number, name: string, rows: number, entries: readonly (readonly [number, number, number])[]) => {
    const values = new Float32Array(rows * width);
    for (const [row, column, value] of entries) values[row * width + column] = value;
    weights.set(`blk.${layer}.${name}.weight`, values);
  };

  matrix(0, "attn_q", width, [[content, one, 1 / constant]]);
  matrix(0, "attn_k", head, [[content, marker, 40 * root]]);
  matrix(0, "attn_v", head, [[0, marker, 1]]);
  matrix(0, "attn_output", width, [[after, 0, 1]]);

  const sharpness = Math.sqrt((30 * root) / codeLength);
  const code = Array.from({ length: codeLength }, (_, index) => [free[index] as number, index, sharpness] as const);
  matrix(1, "attn_q", width, [...code, [steady, one, 1 / constant]]);
  matrix(1, "attn_k", head, [...code, [steady, after, -documentsFirst * root]]);
  matrix(1, "attn_v", head, [
    [0, one, 1 / constant],
    [0, after, -1],
  ]);
  matrix(1, "attn_output", width, [[match, 0, 1]]);

  matrix(2, "attn_q", width, [[content, one, 1 / constant]]);
  matrix(2, "attn_k", head, [
    [content, after, 20 * root],
    [content, rarity, 15 * root],
  ]);
  matrix(2, "attn_v", head, [[0, match, 1]]);
  matrix(2, "attn_output", width, [[aggregate, 0, 1]]);
  return weights;
}

/** Returns −1 or 1 at each call, pseudo-random (xorshift32). */
function signs(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0x10000 ? 1 : -1;
  };
}
