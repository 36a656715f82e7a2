/** The metadata and tensor shapes of a `qwen2vl` GGUF, shared by the demo model and the random ones. */

import type { MetadataValue } from "../gguf/header.js";

export interface Architecture {
  name: string;
  layers: number;
  embeddingLength: number;
  /** Query heads times their length is the embedding length. */
  headLength: number;
  kvHeads: number;
  feedForwardLength: number;
  ropeBase: number;
  fileType: "f32" | "f16";
}

export function architectureMetadata(architecture: Architecture): Map<string, MetadataValue> {
  const { embeddingLength, headLength } = architecture;
  const key = (name: string) => `qwen2vl.${name}`;
  // Multimodal RoPE rotates a head's dimension pairs by time, height or width. The published model has 16, 24 and 24 pairs.
  const byTime = Math.floor(headLength / 8);
  const byHeight = Math.floor((headLength / 2 - byTime) / 2);
  return new Map<string, MetadataValue>([
    ["general.architecture", { type: "string", value: "qwen2vl" }],
    ["general.name", { type: "string", value: architecture.name }],
    ["general.file_type", { type: "u32", value: architecture.fileType === "f32" ? 0 : 1 }],
    [key("context_length"), { type: "u32", value: 32768 }],
    [key("embedding_length"), { type: "u32", value: embeddingLength }],
    [key("block_count"), { type: "u32", value: architecture.layers }],
    [key("feed_forward_length"), { type: "u32", value: architecture.feedForwardLength }],
    [key("attention.head_count"), { type: "u32", value: embeddingLength / headLength }],
    [key("attention.head_count_kv"), { type: "u32", value: architecture.kvHeads }],
    [key("attention.layer_norm_rms_epsilon"), { type: "f32", value: 1e-6 }],
    [key("rope.freq_base"), { type: "f32", value: architecture.ropeBase }],
    [key("rope.dimension_sections"), { type: "i32[]", value: [byTime, byHeight, headLength / 2 - byTime - byHeight, 0] }],
  ]);
}

/** Name and shape (contiguous dimension first) of each tensor, in file order. */
export function tensorShapes(architecture: Architecture, vocabularySize: number): { name: string; shape: number[] }[] {
  const { embeddingLength: width, feedForwardLength: wide } = architecture;
  const kvWidth = architecture.kvHeads * architecture.headLength;
  const layer = (index: number) =>
    Object.entries({
      "attn_norm.weight": [width],
      "attn_q.weight": [width, width],
      "attn_q.bias": [width],
      "attn_k.weight": [width, kvWidth],
      "attn_k.bias": [kvWidth],
      "attn_v.weight": [width, kvWidth],
      "attn_v.bias": [kvWidth],
      "attn_output.weight": [width, width],
      "ffn_norm.weight": [width],
      "ffn_gate.weight": [width, wide],
      "ffn_up.weight": [width, wide],
      "ffn_down.weight": [wide, width],
    }).map(([name, shape]) => ({ name: `blk.${index}.${name}`, shape }));
  return [
    { name: "token_embd.weight", shape: [width, vocabularySize] },
    { name: "output_norm.weight", shape: [width] },
    ...Array.from({ length: architecture.layers }, (_, index) => layer(index)).flat(),
  ];
}
