/**
 * The demo model: jina-reranker-m0's architecture, prompt and head with weights wired by hand instead of trained. It is a
 * transformer that does what a keyword ranker does: the share of the query's words that occur in the document, rarer
 * words weighing more, case, plural, -ing and -ed folded. For demos and tests; it understands nothing.
 *
 * Layer 1: every token behind the marker (`Query`) learns that it belongs to the query. Layer 2: a token attends to those
 * with its own code, and more to those before the marker; the share of these is its match, close to 1 for a word that
 * occurs in the document, be it once or often, else 0. Layer 3: the score token averages the matches of the query's tokens,
 * weighted by how rare they are. The head reads that average: logit = 7 × match − 3.
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
  // So slow that RoPE turns only the first dozen dimension pairs of a head; the rest can carry content.
  ropeBase: 1e30,
  fileType: "f32",
};
const width = architecture.embeddingLength;
const head = architecture.headLength;

/** Dimensions of the residual stream: a token's code, then one meaning each. */
const codeLength = 104;
const one = 104;
const rarity = 105;
const marker = 106;
const after = 107;
const match = 108;
const aggregate = 109;
/** With the code's squared norm of codeLength it makes a token's root mean square 1, so that the norms change nothing. */
const constant = Math.sqrt(width - codeLength);

/** Head dimensions that RoPE leaves in place: a pair is (i, i + 64). */
const free = [...Array.from({ length: 52 }, (_, index) => 12 + index), ...Array.from({ length: 52 }, (_, index) => 76 + index)];

/** One more, which RoPE turns by less than a quarter of a radian in 32,768 tokens. */
const steady = 11;
/** By how much a token attends more to the document's tokens than to the query's, itself among them. */
const documentsFirst = 4;

export interface LexicalModelOptions {
  /** A GGUF with Qwen2's tokenizer; default: the one llama.cpp carries. */
  vocabularyPath?: string;
}

/** Writes `lexical-demo.gguf` and `mlp_weights.npz`; whole or not at all. */
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
      // Codes are ±1, and so exact in either.
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

/** Row-major [tokens][width]: the same ±1 code for tokens of one stem, a constant, how rare it is, and the marker. */
function embeddings(vocabulary: WordVocabulary, source: VocabularySource): Float32Array {
  const values = new Float32Array(vocabulary.tokens.length * width);
  const codes = new Map<string, Float32Array>();
  const random = signs(1);
  // BPE's tokens are ordered by how common they are; a word is as common as its most common form.
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

/** Two tokens are the same word when their stems are equal. */
function stemOf(token: string, known: ReadonlySet<string>): string {
  const folded = foldToken(token);
  return isPartOfCharacter(folded) ? folded : stem(tokenText(folded), known);
}

/** A stand-in for inverse document frequency. */
function rarityOf(key: string, place: number): number {
  // The prompt's own headings, and what is no word.
  if (key === "query" || key === "document" || !isWord(key) || endings.has(key)) return 1e-4;
  return stopWords.has(key) ? 0.02 : Math.log(2 + place / 100);
}

/** The tensors that are not zero (or one, for norms), by name. */
function wireLayers(): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  const root = Math.sqrt(head); // undoes the attention's 1/sqrt(head length)
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

/** An endless row of random −1 and 1 (xorshift32). */
function signs(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0x10000 ? 1 : -1;
  };
}
