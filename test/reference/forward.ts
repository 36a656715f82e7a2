/**
 * A plain forward pass in float64, which the engine's numbers are compared with. Embedding; for each layer RMS norm, causal
 * attention with rotary positions and grouped KV heads, residual, RMS norm, SwiGLU, residual; a final norm; the score head on the
 * last row.
 */

import type { ScoreHead } from "../../binding.js";
import type { GgufFile } from "./gguf-file.js";
import { add, attend, multiply, rotate, type Vector } from "./parts.js";

export { readGguf } from "./gguf-file.js";

/** In time, height and width; alike for text. */
export type Position = readonly [number, number, number];

/** A token id, or the embedding of a part of an image. */
export type Row = number | Vector;

/** positions: of the rows; without them all rows are text. */
export function forward(
  file: GgufFile,
  head: ScoreHead,
  rows: Int32Array | readonly Row[],
  positions: readonly Position[] = Array.from(rows, (_, index) => [index, index, index]),
): { hidden: Vector; logit: number } {
  const number = (key: string): number => {
    const value = file.metadata.get(`qwen2vl.${key}`);
    if (typeof value !== "number") throw new Error(`no number qwen2vl.${key}`);
    return value;
  };
  const tensor = (name: string): Vector => {
    const found = file.tensors.get(name);
    if (!found) throw new Error(`no tensor ${name}`);
    return found.values;
  };
  const width = number("embedding_length");
  const heads = number("attention.head_count");
  const kvHeads = number("attention.head_count_kv");
  const headLength = width / heads;
  const epsilon = number("attention.layer_norm_rms_epsilon");
  const ropeBase = number("rope.freq_base");

  const sections = file.metadata.get("qwen2vl.rope.dimension_sections") as number[];
  /** Of a head's pairs, in order: which component of the position turns each. */
  const components = sections.flatMap((pairs, component) => Array<number>(pairs).fill(component));
  const angleOf = (position: Position) => (pair: number) =>
    (position[components[pair] as number] as number) * ropeBase ** ((-2 * pair) / headLength);

  const embedding = tensor("token_embd.weight");
  let states: Vector[] = Array.from(rows, (row) =>
    typeof row === "number" ? embedding.slice(row * width, (row + 1) * width) : row,
  );

  for (let layer = 0; layer < number("block_count"); layer++) {
    const weight = (name: string) => tensor(`blk.${layer}.${name}.weight`);
    const bias = (name: string) => tensor(`blk.${layer}.${name}.bias`);

    const normed = states.map((state) => rmsNorm(state, weight("attn_norm"), epsilon));
    const rotated = (name: string) =>
      normed.map((state, row) =>
        rotate(add(multiply(weight(name), state), bias(name)), headLength, angleOf(positions[row] as Position)),
      );
    const queries = rotated("attn_q");
    const keys = rotated("attn_k");
    const values = normed.map((state) => add(multiply(weight("attn_v"), state), bias("attn_v")));
    states = states.map((state, row) => {
      const mixed = attend(queries[row] as Vector, keys.slice(0, row + 1), values, { heads, kvHeads, headLength });
      const afterAttention = add(state, multiply(weight("attn_output"), mixed));
      const input = rmsNorm(afterAttention, weight("ffn_norm"), epsilon);
      const gate = multiply(weight("ffn_gate"), input);
      const up = multiply(weight("ffn_up"), input);
      const activated = gate.map((value, index) => (value / (1 + Math.exp(-value))) * (up[index] as number));
      return add(afterAttention, multiply(weight("ffn_down"), activated));
    });
  }

  const hidden = rmsNorm(states.at(-1) as Vector, tensor("output_norm.weight"), epsilon);
  return { hidden, logit: applyHead(head, hidden) };
}

function rmsNorm(state: Vector, weight: Vector, epsilon: number): Vector {
  const meanSquare = state.reduce((sum, value) => sum + value * value, 0) / state.length;
  const scale = 1 / Math.sqrt(meanSquare + epsilon);
  return state.map((value, index) => value * scale * (weight[index] as number));
}

function applyHead(head: ScoreHead, hidden: Vector): number {
  const width = hidden.length;
  let logit = head.b2 - head.logitBias;
  for (let unit = 0; unit < width; unit++) {
    let sum = head.b1[unit] as number;
    for (let input = 0; input < width; input++) sum += (hidden[input] as number) * (head.w1[input * width + unit] as number);
    logit += Math.max(sum, 0) * (head.w2[unit] as number);
  }
  return logit;
}
