/** Qwen2's byte-level BPE vocabulary, complete or cut after K tokens. Read from a file that llama.cpp has for its own tests. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";
import type { MetadataValue } from "../gguf/header.js";

const packageDirectory = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
export const vendoredVocabulary = join(packageDirectory, "vendor", "llama.cpp", "models", "ggml-vocab-qwen2.gguf");
/** The same file in the published package, which has no checkout of llama.cpp. */
const packedVocabulary = join(dirname(fileURLToPath(import.meta.url)), "qwen2-vocabulary.gguf.br");

/** The score token, <|box_end|>, the tokens that the metadata names, and those around an image. */
export const specialTokens = [
  "<|box_end|>",
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  "<|vision_start|>",
  "<|vision_end|>",
] as const;
const normalType = 1;
const controlType = 3;
const unusedType = 5;

export interface Vocabulary {
  tokens: string[];
  types: number[];
  merges: string[];
  /** Id of a special token. */
  special(name: (typeof specialTokens)[number]): number;
}

export interface VocabularySource {
  readonly tokens: readonly string[];
  readonly merges: readonly string[];
}

/** Merges are in rank order, so the first K tokens and the merges among them form a tokenizer. */
export async function truncatedVocabulary(count: number, path = vendoredVocabulary): Promise<Vocabulary> {
  const source = await readSource(path);
  const normal = source.tokens.slice(0, count);
  const known = new Set(normal);
  const merges = source.merges.filter((merge) => {
    const [left, right] = splitMerge(merge);
    return known.has(left) && known.has(right) && known.has(left + right);
  });
  return tokenizerOf(normal, merges);
}

/**
 * All rows of the published model, with the score token at id 100 as in its GGUF; `unswapped` leaves it at its original id, as a
 * plain conversion does. The source is Qwen2's vocabulary, which has placeholders for Qwen2-VL's special tokens. They stay
 * unused, but for those around an image.
 */
export async function fullVocabulary(unswapped = false, path = vendoredVocabulary): Promise<Vocabulary> {
  const rows = 151936;
  const scoreToken = 100;
  const displaced = 151649;
  const source = await readSource(path);
  if (source.tokens.length !== rows) throw new Error(`${path} has ${source.tokens.length} tokens, expected ${rows}`);
  const marked = source.tokens.with(151652, "<|vision_start|>").with(151653, "<|vision_end|>");
  const tokens = unswapped
    ? marked.with(displaced, "<|box_end|>")
    : marked.with(displaced, source.tokens[scoreToken] ?? "").with(scoreToken, "<|box_end|>");
  return vocabulary(tokens, [...source.merges]);
}

/** A tokenizer of these tokens, followed by the special ones. */
export function tokenizerOf(normal: readonly string[], merges: string[]): Vocabulary {
  return vocabulary([...normal, ...specialTokens], merges);
}

function vocabulary(tokens: string[], merges: string[]): Vocabulary {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  return {
    tokens,
    types: tokens.map(typeOf),
    merges,
    special(name) {
      const id = ids.get(name);
      if (id === undefined) throw new Error(`the vocabulary has no ${name}`);
      return id;
    },
  };
}

function typeOf(token: string): number {
  if (/^<\|\w+\|>$/.test(token)) return controlType;
  return /^\[PAD\d+\]$/.test(token) ? unusedType : normalType;
}

export function splitMerge(merge: string): [string, string] {
  const space = merge.indexOf(" ", 1);
  return [merge.slice(0, space), merge.slice(space + 1)];
}

/** The metadata of a GGUF that describe its tokenizer. */
export function tokenizerMetadata(vocabulary: Vocabulary): Map<string, MetadataValue> {
  return new Map<string, MetadataValue>([
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: "qwen2" }],
    ["tokenizer.ggml.tokens", { type: "string[]", value: vocabulary.tokens }],
    ["tokenizer.ggml.token_type", { type: "i32[]", value: vocabulary.types }],
    ["tokenizer.ggml.merges", { type: "string[]", value: vocabulary.merges }],
    ["tokenizer.ggml.eos_token_id", { type: "u32", value: vocabulary.special("<|im_end|>") }],
    ["tokenizer.ggml.padding_token_id", { type: "u32", value: vocabulary.special("<|endoftext|>") }],
    ["tokenizer.ggml.bos_token_id", { type: "u32", value: vocabulary.special("<|endoftext|>") }],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: false }],
  ]);
}

/** Reads tokens and merges from the metadata of a GGUF. The file holds nothing else, so a search for the keys is enough. */
export async function readSource(path = vendoredVocabulary): Promise<VocabularySource> {
  const packed = path === vendoredVocabulary && !existsSync(path) && existsSync(packedVocabulary);
  const bytes = packed ? brotliDecompressSync(await readFile(packedVocabulary)) : await readFile(path);
  const find = (key: string): string[] => {
    const needle = Buffer.from(key);
    const at = bytes.indexOf(needle);
    if (at < 0) throw new Error(`${path} has no ${key}`);
    let offset = at + needle.length;
    const [type, itemType] = [bytes.readUInt32LE(offset), bytes.readUInt32LE(offset + 4)];
    if (type !== 9 || itemType !== 8) throw new Error(`${path}: ${key} is not a list of strings`);
    const count = Number(bytes.readBigUInt64LE(offset + 8));
    offset += 16;
    return Array.from({ length: count }, () => {
      const length = Number(bytes.readBigUInt64LE(offset));
      const value = bytes.toString("utf8", offset + 8, offset + 8 + length);
      offset += 8 + length;
      return value;
    });
  };
  return { tokens: find("tokenizer.ggml.tokens"), merges: find("tokenizer.ggml.merges") };
}
