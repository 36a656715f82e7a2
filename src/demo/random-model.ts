/**
 * Models of jina-reranker-m0's architecture with random weights, for tests and benchmarks. The arithmetic is the real model's;
 * the scores mean nothing. The same seed gives the same file.
 */

import type { Tensor } from "../gguf/writer.js";
import { type Architecture, architectureMetadata, tensorShapes } from "./architecture.js";
import { type ModelFiles, writeModelFiles } from "./model-files.js";
import { Noise } from "./noise.js";
import { encodeNpz } from "./npz-writer.js";
import { fullVocabulary, tokenizerMetadata, truncatedVocabulary } from "./vocabulary.js";

export interface RandomModelOptions extends Omit<Architecture, "name" | "ropeBase" | "fileType"> {
  /** Folder for `<name>.gguf` (default random.gguf) and `mlp_weights.npz`. */
  directory: string;
  name?: string;
  /**
   * How many of Qwen2's tokens (special tokens are added), or "full": the published model's 151,936 rows. "full-unswapped" leaves
   * the score token at its original id.
   */
  vocabularySize: number | "full" | "full-unswapped";
  type: "f32" | "f16";
  seed: number;
}

/** Standard deviation and mean of a tensor's values. With these, hidden states neither vanish nor explode. */
function distribution(name: string, columns: number): [number, number] {
  if (name.endsWith("norm.weight")) return [0.1, 1];
  if (name.endsWith(".bias")) return [0.1, 0];
  if (name === "token_embd.weight") return [1, 0];
  return [1 / Math.sqrt(columns), 0];
}

export async function writeRandomModel(options: RandomModelOptions): Promise<ModelFiles> {
  const { directory, embeddingLength: width } = options;
  const vocabulary =
    typeof options.vocabularySize === "number"
      ? await truncatedVocabulary(options.vocabularySize)
      : await fullVocabulary(options.vocabularySize === "full-unswapped");
  const architecture: Architecture = {
    ...options,
    name: `random weights, seed ${options.seed}`,
    ropeBase: 1e6,
    fileType: options.type,
  };

  const noise = new Noise(options.seed);
  const tensors: Tensor[] = tensorShapes(architecture, vocabulary.tokens.length).map(({ name, shape }) => {
    const [scale, mean] = distribution(name, shape[0] ?? 1);
    return {
      name,
      shape,
      // llama.cpp keeps vectors in f32 whatever the weights' type.
      type: shape.length === 1 ? "f32" : options.type,
      fill: (block) => noise.fill(block, scale, mean),
    };
  });
  const head = encodeNpz({
    W1: { shape: [width, width], values: noise.array(width * width, 1 / Math.sqrt(width)) },
    b1: { shape: [width], values: noise.array(width, 0.1) },
    W2: { shape: [width, 1], values: noise.array(width, 1 / Math.sqrt(width)) },
    b2: { shape: [1], values: Float32Array.of(2.65) },
    logit_bias: { shape: [1], values: Float32Array.of(2.65) },
  });

  const metadata = new Map([...architectureMetadata(architecture), ...tokenizerMetadata(vocabulary)]);
  return writeModelFiles(directory, options.name ?? "random", { metadata, tensors, head });
}
