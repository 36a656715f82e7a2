/**
 * Vision towers of jina-reranker-m0's architecture with random weights, for tests and benchmarks: a GGUF as llama.cpp's converter
 * writes it (`mmproj`). The same seed gives the same file.
 */

import { join } from "node:path";
import { produceAtomically } from "../files/write-atomically.js";
import { type MetadataValue, type Tensor, type TensorType, writeGguf } from "./gguf-writer.js";
import { Noise } from "./noise.js";

export interface MmprojShape {
  layers: number;
  embeddingLength: number;
  headLength: number;
  feedForwardLength: number;
  /** The language model's embedding length. */
  projectionLength: number;
}

export interface RandomMmprojOptions extends MmprojShape {
  /** Folder for `<name>.gguf` (default mmproj.gguf). It must exist. */
  directory: string;
  name?: string;
  /** Of the matrices. Patch convolutions, norms and biases are f32. */
  type: TensorType;
  seed: number;
}

/** The published model's: 665 million parameters. */
export const publishedMmprojShape: MmprojShape = {
  layers: 32,
  embeddingLength: 1280,
  headLength: 80,
  feedForwardLength: 5120,
  projectionLength: 1536,
};

const patchLength = 14;
const patchesOfAToken = 4;
/** CLIP's, which the published processor has. */
const imageMean = [0.48145466, 0.4578275, 0.40821073];
const imageStd = [0.26862954, 0.26130258, 0.27577711];

function metadataOf(options: RandomMmprojOptions): Map<string, MetadataValue> {
  const key = (name: string) => `clip.vision.${name}`;
  return new Map<string, MetadataValue>([
    ["general.architecture", { type: "string", value: "clip" }],
    ["general.type", { type: "string", value: "mmproj" }],
    ["general.name", { type: "string", value: `random vision tower, seed ${options.seed}` }],
    ["general.file_type", { type: "u32", value: { f32: 0, f16: 1, q8_0: 7 }[options.type] }],
    ["clip.has_vision_encoder", { type: "bool", value: true }],
    ["clip.projector_type", { type: "string", value: "qwen2vl_merger" }],
    [key("image_size"), { type: "u32", value: 560 }],
    [key("patch_size"), { type: "u32", value: patchLength }],
    [key("embedding_length"), { type: "u32", value: options.embeddingLength }],
    // The converter writes the language model's embedding length here; nobody reads it.
    [key("feed_forward_length"), { type: "u32", value: options.projectionLength }],
    [key("block_count"), { type: "u32", value: options.layers }],
    [key("attention.head_count"), { type: "u32", value: options.embeddingLength / options.headLength }],
    [key("projection_dim"), { type: "u32", value: options.projectionLength }],
    [key("attention.layer_norm_epsilon"), { type: "f32", value: 1e-6 }],
    [key("image_mean"), { type: "f32[]", value: imageMean }],
    [key("image_std"), { type: "f32[]", value: imageStd }],
  ]);
}

/** Name and shape (contiguous dimension first) of each tensor, in file order. */
function tensorShapes(shape: MmprojShape): { name: string; shape: number[] }[] {
  const { embeddingLength: width, feedForwardLength: wide, projectionLength } = shape;
  const linear = (name: string, inputs: number, outputs: number) => [
    { name: `${name}.weight`, shape: [inputs, outputs] },
    { name: `${name}.bias`, shape: [outputs] },
  ];
  const norm = (name: string) => ["weight", "bias"].map((part) => ({ name: `${name}.${part}`, shape: [width] }));
  const layer = (index: number) => {
    const name = (part: string) => `v.blk.${index}.${part}`;
    return [
      ...norm(name("ln1")),
      ...["attn_q", "attn_k", "attn_v", "attn_out"].flatMap((part) => linear(name(part), width, width)),
      ...norm(name("ln2")),
      ...linear(name("ffn_up"), width, wide),
      ...linear(name("ffn_down"), wide, width),
    ];
  };
  // A convolution for each of the two frames of a still.
  const patches = ["weight", "weight.1"].map((part) => ({
    name: `v.patch_embd.${part}`,
    shape: [patchLength, patchLength, 3, width],
  }));
  const merged = width * patchesOfAToken;
  return [
    ...patches,
    ...Array.from({ length: shape.layers }, (_, index) => layer(index)).flat(),
    ...norm("v.post_ln"),
    ...linear("mm.0", merged, merged),
    ...linear("mm.2", merged, projectionLength),
  ];
}

/** Standard deviation and mean of a tensor's values. */
function distribution(name: string, shape: readonly number[]): [number, number] {
  if (/ln[12]?\.weight$/.test(name)) return [0.1, 1];
  if (name.endsWith(".bias")) return [0.1, 0];
  // Pixels of a patch are much alike: their sum must not exceed what the layers add.
  if (name.startsWith("v.patch_embd")) return [0.5 / Math.sqrt(patchLength * patchLength * 3), 0];
  const scale = 1 / Math.sqrt(shape[0] ?? 1);
  // Of q and k: scores that vary by about 2, so that a patch attends to few others and a wrong position shows.
  return /attn_[qk]\.weight$/.test(name) ? [1.5 * scale, 0] : [scale, 0];
}

/** Returns the file's path. */
export async function writeRandomMmproj(options: RandomMmprojOptions): Promise<string> {
  const noise = new Noise(options.seed);
  const tensors: Tensor[] = tensorShapes(options).map(({ name, shape }) => {
    const [scale, mean] = distribution(name, shape);
    return { name, shape, type: shape.length === 2 ? options.type : "f32", fill: (block) => noise.fill(block, scale, mean) };
  });
  const path = join(options.directory, `${options.name ?? "mmproj"}.gguf`);
  await produceAtomically(path, (unfinished) => writeGguf(unfinished, metadataOf(options), tensors));
  return path;
}
