/**
 * A plain forward pass in float64, which the engine's numbers are compared with. Embedding; for each layer RMS norm, causal
 * attention with rotary positions and grouped KV heads, residual, RMS norm, SwiGLU, residual; a final norm; the score head on the
 * last token.
 */

import type { ScoreHead } from "../../binding.js";
import type { GgufFile } from "./gguf-file.js";

export { readGguf } from "./gguf-file.js";

type Vector = Float64Array;

export function forward(file: GgufFile, head: ScoreHead, tokens: Int32Array): { hidden: Vector; logit: number } {
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

  const embedding = tensor("token_embd.weight");
  let states: Vector[] = Array.from(tokens, (token) => embedding.slice(token * width, (token + 1) * width));

  for (let layer = 0; layer < number("block_count"); layer++) {
    const weight = (name: string) => tensor(`blk.${layer}.${name}.weight`);
    const bias = (name: string) => tensor(`blk.${layer}.${name}.bias`);

    const normed = states.map((state) => rmsNorm(state, weight("attn_norm"), epsilon));
    const rotated = (name: string) =>
      normed.map((state, position) => rotate(add(multiply(weight(name), state), bias(name)), headLength, position, ropeBase));
    const queries = rotated("attn_q");
    const keys = rotated("attn_k");
    const values = normed.map((state) => add(multiply(weight("attn_v"), state), bias("attn_v")));
    states = states.map((state, position) => {
      const mixed = attend(queries[position] as Vector, keys.slice(0, position + 1), values, { heads, kvHeads, headLength });
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

function add(a: Vector, b: Vector): Vector {
  return a.map((value, index) => value + (b[index] as number));
}

/** matrix: row-major [rows][columns]. */
function multiply(matrix: Vector, vector: Vector): Vector {
  const columns = vector.length;
  const result = new Float64Array(matrix.length / columns);
  for (let row = 0; row < result.length; row++) {
    let sum = 0;
    for (let column = 0; column < columns; column++)
      sum += (matrix[row * columns + column] as number) * (vector[column] as number);
    result[row] = sum;
  }
  return result;
}

function rmsNorm(state: Vector, weight: Vector, epsilon: number): Vector {
  const meanSquare = state.reduce((sum, value) => sum + value * value, 0) / state.length;
  const scale = 1 / Math.sqrt(meanSquare + epsilon);
  return state.map((value, index) => value * scale * (weight[index] as number));
}

/** For text, all sections of M-RoPE have the same position, so it equals plain RoPE over pairs (i, i + half). */
function rotate(vector: Vector, headLength: number, position: number, base: number): Vector {
  const half = headLength / 2;
  const result = vector.slice();
  for (let start = 0; start < vector.length; start += headLength) {
    for (let pair = 0; pair < half; pair++) {
      const angle = position * base ** ((-2 * pair) / headLength);
      const [x, y] = [vector[start + pair] as number, vector[start + pair + half] as number];
      result[start + pair] = x * Math.cos(angle) - y * Math.sin(angle);
      result[start + pair + half] = x * Math.sin(angle) + y * Math.cos(angle);
    }
  }
  return result;
}

interface Heads {
  heads: number;
  kvHeads: number;
  headLength: number;
}

/** Attention of one position over the keys up to it. */
function attend(query: Vector, keys: Vector[], values: Vector[], { heads, kvHeads, headLength }: Heads): Vector {
  const result = new Float64Array(query.length);
  for (let head = 0; head < heads; head++) {
    const at = head * headLength;
    const kvAt = Math.floor(head / (heads / kvHeads)) * headLength;
    const scores = keys.map((key) => {
      let sum = 0;
      for (let index = 0; index < headLength; index++) sum += (query[at + index] as number) * (key[kvAt + index] as number);
      return sum / Math.sqrt(headLength);
    });
    const highest = Math.max(...scores);
    const exponentials = scores.map((score) => Math.exp(score - highest));
    const total = exponentials.reduce((sum, value) => sum + value, 0);
    for (const [position, exponential] of exponentials.entries()) {
      const value = values[position] as Vector;
      for (let index = 0; index < headLength; index++) {
        result[at + index] = (result[at + index] as number) + (exponential / total) * (value[kvAt + index] as number);
      }
    }
  }
  return result;
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
