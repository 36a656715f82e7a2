/** What the file of a vision tower of jina-reranker-m0's kind says of itself, as llama.cpp's converter writes it (`--mmproj`). */

import type { MetadataValue, TensorType } from "./header.js";

export interface MmprojShape {
  layers: number;
  embeddingLength: number;
  headLength: number;
  feedForwardLength: number;
  /** The language model's embedding length. */
  projectionLength: number;
}

/** The published model's: 665 million parameters. */
export const publishedMmprojShape: MmprojShape = {
  layers: 32,
  embeddingLength: 1280,
  headLength: 80,
  feedForwardLength: 5120,
  projectionLength: 1536,
};

/** Pixels of a side of a patch. */
export const patchLength = 14;
/** Patches of a side of the block that becomes a token. */
export const mergedSide = 2;

/** What is subtracted from red, green and blue, where 1 is the brightest, and what they are divided by then. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** CLIP's, which the published processor has. */
export const clipNormalization: Normalization = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

export interface MmprojMetadata {
  readonly shape: MmprojShape;
  /** Of the matrices. */
  readonly type: TensorType;
  readonly normalization: Normalization;
  readonly name: string;
  /** An SPDX identifier in lower case; undefined = not known. */
  readonly license?: string | undefined;
}

export function mmprojMetadata({
  shape,
  type,
  normalization,
  name,
  license,
}: MmprojMetadata): ReadonlyMap<string, MetadataValue> {
  const key = (name: string) => `clip.vision.${name}`;
  return new Map<string, MetadataValue>([
    ["general.architecture", { type: "string", value: "clip" }],
    ["general.type", { type: "string", value: "mmproj" }],
    ["general.name", { type: "string", value: name }],
    ...(license === undefined ? [] : [["general.license", { type: "string", value: license }] as const]),
    ["general.file_type", { type: "u32", value: { f32: 0, f16: 1, q8_0: 7 }[type] }],
    ["clip.has_vision_encoder", { type: "bool", value: true }],
    [key("projection_dim"), { type: "u32", value: shape.projectionLength }],
    // The reference has no image size: this is the converter's default, and nobody reads it.
    [key("image_size"), { type: "u32", value: 560 }],
    [key("patch_size"), { type: "u32", value: patchLength }],
    [key("embedding_length"), { type: "u32", value: shape.embeddingLength }],
    // The converter writes the language model's embedding length here; nobody reads it.
    [key("feed_forward_length"), { type: "u32", value: shape.projectionLength }],
    [key("block_count"), { type: "u32", value: shape.layers }],
    [key("attention.head_count"), { type: "u32", value: shape.embeddingLength / shape.headLength }],
    [key("image_mean"), { type: "f32[]", value: normalization.mean }],
    [key("image_std"), { type: "f32[]", value: normalization.std }],
    ["clip.projector_type", { type: "string", value: "qwen2vl_merger" }],
    // The reference has it in its code.
    [key("attention.layer_norm_epsilon"), { type: "f32", value: 1e-6 }],
    ["general.quantization_version", { type: "u32", value: 2 }],
  ]);
}
