/**
 * Vision towers of jina-reranker-m0's architecture with random weights, for tests and benchmarks: a GGUF as llama.cpp's converter
 * writes it (`mmproj`). The same seed gives the same file.
 */

import { join } from "node:path";
import { produceAtomically } from "../files/write-atomically.js";
import type { TensorType } from "../gguf/header.js";
import { clipNormalization, type MmprojShape, mergedSide, mmprojMetadata, patchLength } from "../gguf/mmproj.js";
import { type Tensor, writeGguf } from "../gguf/writer.js";
import { Noise } from "./noise.js";

export { type MmprojShape, publishedMmprojShape } from "../gguf/mmproj.js";

export interface RandomMmprojOptions extends MmprojShape {
  /** Folder for `<name>.gguf` (default mmproj.gguf). It must exist. */
  directory: string;
  name?: string;
  /** Of the matrices. Patch convolutions, norms and biases are f32. */
  type: TensorType;
  seed: number;
}

const patchesOfAToken = mergedSide ** 2;

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
  const metadata = mmprojMetadata({
    shape: options,
    type: options.type,
    normalization: clipNormalization,
    name: `random vision tower, seed ${options.seed}`,
  });
  await produceAtomically(path, (unfinished) => writeGguf(unfinished, metadata, tensors));
  return path;
}
