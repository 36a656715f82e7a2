/**
 * The vision tower in float64, which the engine's embeddings are compared with (transformers' qwen2_vl, "slow" processor):
 * normalised pixels, patches in blocks of 2 × 2, a product for each of a still's two frames; for each layer norm, attention of all
 * patches to all with 2D rotary positions, residual, norm, quick GELU, residual; the merger of a block's four patches.
 */

import type { GgufFile } from "./gguf-file.js";
import { add, attend, multiply, rotate, type Vector } from "./parts.js";

export interface Image {
  width: number;
  height: number;
  /** [height][width][3] */
  rgb: Uint8Array;
}

export interface Place {
  row: number;
  column: number;
}

/** What a mutation test gets wrong on purpose. */
export interface Variation {
  /** Of the patches, in the order in which they are computed and merged. */
  places?: (rows: number, columns: number) => Place[];
  /** The two positions of a patch that turn the first and the second half of a head's pairs. */
  turns?: (place: Place) => [number, number];
  /** Of red, green and blue. */
  mean?: (mean: number[]) => number[];
}

const patch = 14;
const ropeBase = 10_000;

/** Blocks of 2 × 2 patches, row by row. */
export function blockOrder(rows: number, columns: number): Place[] {
  const blocks = Array.from({ length: (rows * columns) / 4 }, (_, block) => ({
    row: 2 * Math.floor(block / (columns / 2)),
    column: 2 * (block % (columns / 2)),
  }));
  return blocks.flatMap(({ row, column }) =>
    [0, 1, 2, 3].map((index) => ({ row: row + (index >> 1), column: column + (index & 1) })),
  );
}

/** Row by row: the order that the tower must not take. */
export function rasterOrder(rows: number, columns: number): Place[] {
  return Array.from({ length: rows * columns }, (_, index) => ({ row: Math.floor(index / columns), column: index % columns }));
}

/** An embedding for each 28 × 28 pixels, row by row. */
export function vision(
  file: GgufFile,
  image: Image,
  { places = blockOrder, turns = ({ row, column }) => [row, column], mean = (same) => same }: Variation = {},
): Vector[] {
  const number = (key: string) => file.metadata.get(`clip.vision.${key}`) as number;
  const numbers = (key: string) => file.metadata.get(`clip.vision.${key}`) as number[];
  const tensor = (name: string): Vector => {
    const found = file.tensors.get(name);
    if (!found) throw new Error(`no tensor ${name}`);
    return found.values;
  };
  const linear = (name: string, input: Vector) => add(multiply(tensor(`${name}.weight`), input), tensor(`${name}.bias`));
  const norm = (name: string, input: Vector) =>
    layerNorm(input, tensor(`${name}.weight`), tensor(`${name}.bias`), number("attention.layer_norm_epsilon"));
  const heads = number("attention.head_count");
  const headLength = number("embedding_length") / heads;

  const order = places(image.height / patch, image.width / patch);
  const colours = { mean: mean(numbers("image_mean")), std: numbers("image_std") };
  let states = order.map((place) => {
    const pixels = pixelsOf(image, place, colours);
    return add(multiply(tensor("v.patch_embd.weight"), pixels), multiply(tensor("v.patch_embd.weight.1"), pixels));
  });

  for (let layer = 0; layer < number("block_count"); layer++) {
    const name = (part: string) => `v.blk.${layer}.${part}`;
    const normed = states.map((state) => norm(name("ln1"), state));
    const quarter = headLength / 4;
    const rotated = (part: string) =>
      normed.map((state, index) => {
        const [first, second] = turns(order[index] as Place);
        return rotate(
          linear(name(part), state),
          headLength,
          (pair) => (pair < quarter ? first : second) * ropeBase ** (-(pair % quarter) / quarter),
        );
      });
    const queries = rotated("attn_q");
    const keys = rotated("attn_k");
    const values = normed.map((state) => linear(name("attn_v"), state));
    states = states.map((state, index) => {
      const attended = attend(queries[index] as Vector, keys, values, { heads, kvHeads: heads, headLength });
      const afterAttention = add(state, linear(name("attn_out"), attended));
      const up = linear(name("ffn_up"), norm(name("ln2"), afterAttention));
      const activated = up.map((value) => value / (1 + Math.exp(-1.702 * value)));
      return add(afterAttention, linear(name("ffn_down"), activated));
    });
  }

  return Array.from({ length: states.length / 4 }, (_, token) => {
    const block = states.slice(4 * token, 4 * token + 4).flatMap((state) => Array.from(norm("v.post_ln", state)));
    const up = linear("mm.0", Float64Array.from(block));
    return linear(
      "mm.2",
      up.map((value) => (value / 2) * (1 + erf(value / Math.SQRT2))),
    );
  });
}

/** Of a patch, normalised: by colour, row, column. */
function pixelsOf(image: Image, { row, column }: Place, colours: { mean: number[]; std: number[] }): Vector {
  const pixels = new Float64Array(3 * patch * patch);
  for (let index = 0; index < pixels.length; index++) {
    const colour = Math.floor(index / (patch * patch));
    const y = row * patch + (Math.floor(index / patch) % patch);
    const x = column * patch + (index % patch);
    const byte = image.rgb[(y * image.width + x) * 3 + colour] as number;
    pixels[index] = (byte / 255 - (colours.mean[colour] as number)) / (colours.std[colour] as number);
  }
  return pixels;
}

function layerNorm(state: Vector, weight: Vector, bias: Vector, epsilon: number): Vector {
  const mean = state.reduce((sum, value) => sum + value, 0) / state.length;
  const variance = state.reduce((sum, value) => sum + (value - mean) ** 2, 0) / state.length;
  const scale = 1 / Math.sqrt(variance + epsilon);
  return state.map((value, index) => (value - mean) * scale * (weight[index] as number) + (bias[index] as number));
}

/** 2 / √π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!, whose terms have one sign. Beyond 6 it is 1 in float64. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = 0;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-18; n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
