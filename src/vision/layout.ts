/**
 * Which bytes of the safetensors files become which tensors of the GGUF, in the order of the files, so that they are read once
 * from the beginning to the end. llama.cpp's converter does the same: q, k and v are split, and so are the two frames of the
 * patch convolution. Pure.
 */

import { RerankError } from "../errors.js";
import { elements, encodeHeader, paddedBytes, q8Block, type TensorInfo } from "../gguf/header.js";
import { type MmprojShape, mergedSide, mmprojMetadata, type Normalization, patchLength } from "../gguf/mmproj.js";
import { printable } from "../model/hub-answers.js";
import type { VisionType } from "../model/vision-file.js";
import type { StoredTensor } from "./safetensors.js";

/** A part of a source tensor, and what it becomes. */
export interface Step {
  /** Index of the safetensors file. */
  readonly file: number;
  /** Bytes of that file. */
  readonly begin: number;
  readonly end: number;
  /** The source tensor's name. */
  readonly name: string;
  /** One, or the patch convolution's two frames, whose numbers take turns by patches in the source. */
  readonly outputs: readonly TensorInfo[];
}

export interface Layout {
  readonly header: Uint8Array;
  readonly steps: readonly Step[];
  /** Bytes of all steps. */
  readonly sourceBytes: number;
  /** Size of the GGUF. */
  readonly size: number;
}

export const bf16Bytes = 2;
const frames = 2;
const colours = 3;
const prefix = "visual.";

export interface Tower {
  readonly shape: MmprojShape;
  readonly type: VisionType;
  readonly normalization: Normalization;
  readonly name: string;
  readonly license?: string | undefined;
}

/** The tensors of the vision tower, of each file. */
export function visualTensors(files: readonly (readonly StoredTensor[])[]): readonly (readonly StoredTensor[])[] {
  return files.map((tensors) => tensors.filter(({ name }) => name.startsWith(prefix)));
}

/** The lengths that the tensors have. That they agree with each other is checked in `layOut`. */
export function shapeOf(files: readonly (readonly StoredTensor[])[], heads: number): MmprojShape {
  const all = new Map(files.flat().map(({ name, shape }) => [name, shape]));
  const rows = (name: string): number => {
    const length = all.get(prefix + name)?.[0];
    if (length === undefined || length === 0) throw wrong(`has no tensor ${prefix}${name}`);
    return length;
  };
  const embeddingLength = rows("patch_embed.proj.weight");
  if (embeddingLength % heads !== 0) {
    throw wrong(
      `has ${heads} heads (num_heads in config.json), which ${embeddingLength} numbers of a patch cannot be divided by`,
    );
  }
  return {
    layers: [...all.keys()].filter((name) => /^visual\.blocks\.\d+\.attn\.qkv\.weight$/.test(name)).length,
    embeddingLength,
    headLength: embeddingLength / heads,
    feedForwardLength: rows("blocks.0.mlp.fc1.weight"),
    projectionLength: rows("merger.mlp.2.weight"),
  };
}

/** Throws model_invalid when a tensor is missing, unknown, there twice, or has another type or shape than the tower's. */
export function layOut(files: readonly (readonly StoredTensor[])[], tower: Tower): Layout {
  const wanted = new Map(sourceTensors(tower.shape).map((tensor) => [tensor.name, tensor]));
  const steps = files.flatMap((tensors, file) =>
    tensors.flatMap((tensor) => {
      const expected = wanted.get(tensor.name);
      if (!expected) throw wrong(`has the tensor ${printable(tensor.name)}, twice or of another tower`);
      wanted.delete(tensor.name);
      requireStored(tensor, expected);
      return stepsOf(file, tensor, expected, tower.type);
    }),
  );
  const [missing] = wanted.keys();
  if (missing !== undefined) throw wrong(`has no tensor ${missing}`);
  const outputs = steps.flatMap((step) => step.outputs);
  const header = encodeHeader(mmprojMetadata(tower), outputs);
  return {
    ...{ header, steps },
    sourceBytes: steps.reduce((sum, { begin, end }) => sum + end - begin, 0),
    size: outputs.reduce((sum, output) => sum + paddedBytes(output), header.length),
  };
}

interface SourceTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** The GGUF's tensors in it: parts of the same size, one after the other. */
  readonly parts: readonly string[];
}

/** The tower's tensors as transformers names them. */
function sourceTensors({
  layers,
  embeddingLength: width,
  feedForwardLength: wide,
  projectionLength,
}: MmprojShape): readonly SourceTensor[] {
  const linear = (name: string, inputs: number, outputs: number, parts: readonly string[]) => [
    { name: `${prefix}${name}.weight`, shape: [outputs, inputs], parts: parts.map((part) => `${part}.weight`) },
    { name: `${prefix}${name}.bias`, shape: [outputs], parts: parts.map((part) => `${part}.bias`) },
  ];
  const norm = (name: string, part: string) =>
    ["weight", "bias"].map((end) => ({ name: `${prefix}${name}.${end}`, shape: [width], parts: [`${part}.${end}`] }));
  const layer = (index: number) => {
    const [from, to] = [`blocks.${index}.`, `v.blk.${index}.`];
    return [
      ...norm(`${from}norm1`, `${to}ln1`),
      ...norm(`${from}norm2`, `${to}ln2`),
      ...linear(`${from}attn.qkv`, width, 3 * width, [`${to}attn_q`, `${to}attn_k`, `${to}attn_v`]),
      ...linear(`${from}attn.proj`, width, width, [`${to}attn_out`]),
      ...linear(`${from}mlp.fc1`, width, wide, [`${to}ffn_up`]),
      ...linear(`${from}mlp.fc2`, wide, width, [`${to}ffn_down`]),
    ];
  };
  const merged = width * mergedSide ** 2;
  const patches = ["v.patch_embd.weight", "v.patch_embd.weight.1"];
  return [
    { name: `${prefix}patch_embed.proj.weight`, shape: [width, colours, frames, patchLength, patchLength], parts: patches },
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
    ...norm("merger.ln_q", "v.post_ln"),
    ...linear("merger.mlp.0", merged, merged, ["mm.0"]),
    ...linear("merger.mlp.2", merged, projectionLength, ["mm.2"]),
  ];
}

function requireStored({ name, dtype, shape, begin, end }: StoredTensor, expected: SourceTensor): void {
  if (dtype !== "BF16") throw wrong(`has tensor ${name} of type ${printable(dtype)}, expected BF16`);
  if (shape.join() !== expected.shape.join()) {
    throw wrong(`has tensor ${name} of shape (${shape.join(", ")}), expected (${expected.shape.join(", ")})`);
  }
  const bytes = elements({ shape }) * bf16Bytes;
  if (end - begin !== bytes) throw wrong(`has ${end - begin} bytes of tensor ${name}, expected ${bytes}`);
}

function stepsOf(file: number, { name, begin, end }: StoredTensor, expected: SourceTensor, type: VisionType): readonly Step[] {
  const [rows = 0, ...inner] = expected.shape;
  if (inner.length === 4) {
    // The converter's choice. Its rows are no blocks of q8_0.
    const of = type === "f16" ? "f16" : "f32";
    const shape = [patchLength, patchLength, colours, rows];
    return [{ file, begin, end, name, outputs: expected.parts.map((part) => ({ name: part, shape, type: of })) }];
  }
  const [columns] = inner;
  if (columns !== undefined && type === "q8_0" && columns % q8Block !== 0) {
    throw wrong(`has rows of ${columns} numbers in ${name}, expected a multiple of ${q8Block} for q8_0`);
  }
  const bytes = (end - begin) / expected.parts.length;
  const shape = [...inner, rows / expected.parts.length];
  return expected.parts.map((part, index) => ({
    ...{ file, name, begin: begin + index * bytes, end: begin + (index + 1) * bytes },
    outputs: [{ name: part, shape, type: columns === undefined ? "f32" : type }],
  }));
}

function wrong(what: string): RerankError {
  return new RerankError(
    "model_invalid",
    `the repository ${what}; it is not the vision tower of jina-reranker-m0, or a damaged one`,
  );
}
