/** The reference forward pass against numbers worked out by hand. The parity tests rely on it. */

import { describe, expect, it } from "vitest";
import type { ScoreHead } from "../../binding.js";
import { forward, type Position } from "../reference/forward.js";
import type { GgufFile, GgufValue } from "../reference/gguf-file.js";

/**
 * One layer of width 2, one head, one pair for RoPE. Norms are ones; weights that are not named here are zero.
 * Token 0 is (1, 1), token 1 is (1, −1), token 2 is (3, 4). The norm keeps the first two, whose root mean square is 1.
 */
function model(weights: Readonly<Record<string, readonly number[]>> = {}): GgufFile {
  const lengths = {
    "attn_norm.weight": 2,
    "attn_q.weight": 4,
    "attn_q.bias": 2,
    "attn_k.weight": 4,
    "attn_k.bias": 2,
    "attn_v.weight": 4,
    "attn_v.bias": 2,
    "attn_output.weight": 4,
    "ffn_norm.weight": 2,
    "ffn_gate.weight": 2,
    "ffn_up.weight": 2,
    "ffn_down.weight": 2,
  };
  const tensor = (values: readonly number[]) => ({
    shape: [values.length],
    type: "f32" as const,
    values: Float64Array.from(values),
  });
  const layer = Object.entries(lengths).map(([name, length]) => {
    const usual = Array.from({ length }, () => (name.endsWith("norm.weight") ? 1 : 0));
    return [`blk.0.${name}`, tensor(weights[name] ?? usual)] as const;
  });
  return {
    metadata: new Map<string, GgufValue>(
      Object.entries({
        "qwen2vl.embedding_length": 2,
        "qwen2vl.block_count": 1,
        "qwen2vl.attention.head_count": 1,
        "qwen2vl.attention.head_count_kv": 1,
        "qwen2vl.attention.layer_norm_rms_epsilon": 0,
        "qwen2vl.rope.freq_base": 1e6,
        "qwen2vl.rope.dimension_sections": [1, 0, 0, 0],
      }),
    ),
    tensors: new Map([["token_embd.weight", tensor([1, 1, 1, -1, 3, 4])], ["output_norm.weight", tensor([1, 1])], ...layer]),
  };
}

const identity = [1, 0, 0, 1];
const head: ScoreHead = {
  w1: Float32Array.of(1, 2, 3, 4),
  b1: Float32Array.of(0.5, -20),
  w2: Float32Array.of(2, 100),
  b2: 0.25,
  logitBias: 1,
};

function hidden(file: GgufFile, ...tokens: number[]): number[] {
  return [...forward(file, head, Int32Array.from(tokens)).hidden];
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [index, value] of expected.entries()) expect(actual[index]).toBeCloseTo(value, 12);
}

/** (x, y) with a root mean square of 1. */
function normed(x: number, y: number): number[] {
  const scale = Math.sqrt((x * x + y * y) / 2);
  return [x / scale, y / scale];
}

describe("the reference forward pass", () => {
  it("norms the last token's embedding where every layer adds nothing", () => {
    expectClose(hidden(model(), 0, 2), [3 / Math.sqrt(12.5), 4 / Math.sqrt(12.5)]);
    expectClose(hidden(model(), 2, 0), [1, 1]);
  });

  it("applies the head to the hidden state, with W1's rows as inputs and without negative units", () => {
    // h = (1, 1): units are 1 + 3 + 0.5 = 4.5 and 2 + 4 − 20 < 0, so 4.5 × 2 + 0.25 − 1.
    expect(forward(model(), head, Int32Array.of(0)).logit).toBeCloseTo(8.25, 12);
  });

  it("averages the values of all tokens up to the last where queries are zero", () => {
    const file = model({ "attn_v.weight": identity, "attn_output.weight": identity });
    // The mean of (1, 1) and (1, −1) is (1, 0); with the residual (1, −1) that is (2, −1).
    expectClose(hidden(file, 0, 1), normed(2, -1));
  });

  it("adds the biases of keys, queries and values", () => {
    const file = model({ "attn_v.bias": [1, 0], "attn_output.weight": identity });
    expectClose(hidden(file, 0), normed(2, 1));
    const weighted = model({
      "attn_q.bias": [1, 0],
      "attn_k.weight": [0, 1, 0, 0],
      "attn_v.weight": identity,
      "attn_output.weight": identity,
    });
    // Position 1 turns query and key by one radian, so the key of token 0 lies at −1 radian. Keys are (1, 0) and (−1, 0).
    const first = Math.exp(Math.cos(1) / Math.SQRT2);
    const second = Math.exp(-1 / Math.SQRT2);
    const mixed = (first - second) / (first + second);
    expectClose(hidden(weighted, 0, 1), normed(2, -1 + mixed));
  });

  it("takes embeddings for rows, and turns a pair by the component of the position that its section names", () => {
    const file = model({
      "attn_q.bias": [1, 0],
      "attn_k.bias": [1, 0],
      "attn_v.weight": identity,
      "attn_output.weight": identity,
    });
    const row = Float64Array.of(1, -1);
    const last = (positions: Position[]) => [...forward(file, head, [0, row], positions).hidden];
    expectClose(hidden(file, 0, 1), last([0, 1].map((t) => [t, 5, 9])));
    // Two apart, the key of token 0 lies at 2 radians from the query.
    const [first, second] = [Math.exp(Math.cos(2) / Math.SQRT2), Math.exp(1 / Math.SQRT2)];
    expectClose(last([0, 2].map((t) => [t, 0, 0])), normed(2, -1 + (first - second) / (first + second)));
  });

  it("never looks at a token behind", () => {
    const file = model({
      "attn_v.weight": identity,
      "attn_output.weight": identity,
      "attn_q.weight": identity,
      "attn_k.weight": identity,
    });
    const [first, second] = [hidden(file, 0), hidden(file, 0, 1)];
    expectClose(first, normed(2, 2));
    expect(second).not.toEqual(first);
  });

  it("turns queries and keys by their distance", () => {
    const file = model({
      "attn_q.bias": [1, 1],
      "attn_k.weight": [0.5, 0.5, 0.5, 0.5],
      "attn_v.weight": identity,
      "attn_output.weight": identity,
    });
    // Keys are (1, 1) for token 0, one radian behind the query, and (0, 0) for token 1.
    const far = Math.exp((2 * Math.cos(1)) / Math.SQRT2);
    const share = far / (far + 1);
    expectClose(hidden(file, 0, 1), normed(2, -1 + share - (1 - share)));
  });

  it("adds SwiGLU's output", () => {
    const file = model({ "ffn_gate.weight": [1, 1], "ffn_up.weight": [2, 1], "ffn_down.weight": [1, 0] });
    // Input (1, 1): gate 2 through silu, up 3.
    expectClose(hidden(file, 0), normed(1 + (2 / (1 + Math.exp(-2))) * 3, 1));
  });
});
