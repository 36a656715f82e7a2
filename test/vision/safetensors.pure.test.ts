/** The header of a safetensors file is hostile input: each deviation is one error that names the file. */

import { describe, expect, test } from "vitest";
import type { RerankError } from "../../src/errors.js";
import { clipNormalization } from "../../src/gguf/mmproj.js";
import { layOut, shapeOf, visualTensors } from "../../src/vision/layout.js";
import { headerLength, parseHeader } from "../../src/vision/safetensors.js";
import { failure } from "../support/failure.js";
import { safetensors, sourceShapes, type TowerTensor } from "../support/random-tower.js";

const shape = { layers: 1, embeddingLength: 64, headLength: 32, feedForwardLength: 96, projectionLength: 32 };
const tower = { shape, type: "q8_0", normalization: clipNormalization, name: "tower" } as const;

function tensors(): TowerTensor[] {
  return sourceShapes(shape).map(([name, lengths]) => ({
    ...{ name, shape: lengths },
    bits: new Uint16Array(lengths.reduce((left, right) => left * right, 1)),
  }));
}

function read(file: Uint8Array) {
  const length = headerLength(file.subarray(0, 8), file.length, "model.safetensors");
  return parseHeader(file.subarray(8, 8 + length), file.length, "model.safetensors");
}

/** A file with this header and 8 bytes of data. */
function withHeader(text: string): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  return Buffer.concat([length, Buffer.from(text), Buffer.alloc(8)]);
}

const entry = (begin: unknown, end: unknown) => `{"dtype":"BF16","shape":[2],"data_offsets":[${begin},${end}]}`;

test("a file's tensors are found with their places, and text about the file is left out", () => {
  const file = withHeader(`{"b":${entry(4, 8)},"__metadata__":{"format":"pt"},"a":${entry(0, 4)}}`);
  const data = file.length - 8;
  expect(read(file)).toEqual([
    { name: "a", dtype: "BF16", shape: [2], begin: data, end: data + 4 },
    { name: "b", dtype: "BF16", shape: [2], begin: data + 4, end: data + 8 },
  ]);
});

describe("refused is a header", () => {
  const lengths: Record<string, bigint> = {
    "of no bytes": 0n,
    "larger than the file": 100n,
    "of 2^64 - 1 bytes": 2n ** 64n - 1n,
  };
  test.each(Object.entries(lengths))("%s", (_, length) => {
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(length);
    const { code, message } = failure(() => headerLength(prefix, 50, "model.safetensors"));
    expect([code, message]).toEqual([
      "model_invalid",
      expect.stringMatching(/^model\.safetensors: its first 8 bytes say .* expected at most 42;/),
    ]);
  });

  test("larger than 4 MiB, however large the file is", () => {
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(2n ** 22n + 1n);
    expect(failure(() => headerLength(prefix, 2 ** 40, "x")).message).toMatch(/4194305 bytes, expected at most 4194304/);
  });

  const wrong: Record<string, [string, RegExp]> = {
    "that is no JSON": ["{", /something that is not JSON/],
    "that is a web page": ["<!doctype html><html>", /web page/],
    "that is no object": ["[1]", /JSON of another shape/],
    "nested a million deep": ["[".repeat(1e6), /not JSON|another shape/],
    "with a tensor that is a number": ['{"a":1}', /tensor a lacks its dtype/],
    "with an offset below 0": [`{"a":${entry(-1, 8)}}`, /lacks its dtype, shape or data_offsets/],
    "with an offset that is no whole number": [`{"a":${entry(0.5, 8)}}`, /lacks/],
    "with an offset that no number holds": [`{"a":${entry(0, "1e300")}}`, /lacks/],
    "with tensors that overlap": [`{"a":${entry(0, 6)},"b":${entry(4, 8)}}`, /tensor b is at \d+ to \d+, expected to begin at/],
    "with a gap": [`{"a":${entry(0, 2)},"b":${entry(4, 8)}}`, /tensor b is at/],
    "with a tensor that ends before it begins": [`{"a":${entry(0, 8)},"b":${entry(8, 4)}}`, /tensor b is at/],
    "with a tensor beyond the end": [`{"a":${entry(0, 9)}}`, /its tensors end at \d+, expected at its end/],
    "with bytes behind the last tensor": [`{"a":${entry(0, 4)}}`, /its tensors end at/],
    "with names that steer a terminal": [`{"\\u001b[2Ja":1}`, /tensor \[2Ja lacks/],
  };
  test.each(Object.entries(wrong))("%s", (_, [text, expected]) => {
    const { code, message } = failure(() => read(withHeader(text)));
    expect(code).toBe("model_invalid");
    expect(message).toMatch(expected);
    expect(message).toMatch(/^model\.safetensors: /);
    expect(message.length).toBeLessThan(500);
  });
});

describe("refused is a tower", () => {
  const layOutOf = (all: readonly TowerTensor[], change?: Parameters<typeof safetensors>[1]): RerankError =>
    failure(() => layOut(visualTensors([read(safetensors(all, change))]), tower));
  const norm = "visual.blocks.0.norm1.weight";

  test("that lacks a tensor", () => {
    expect(layOutOf(tensors().filter(({ name }) => name !== norm)).message).toContain(`has no tensor ${norm}`);
  });

  test("with a tensor of another tower, and what is no part of the tower does not matter", () => {
    const more = { name: "visual.pos_embed.weight", shape: [2], bits: new Uint16Array(2) };
    expect(layOutOf([...tensors(), more]).message).toContain("has the tensor visual.pos_embed.weight, twice or of another tower");
    const all = [...tensors(), { ...more, name: "model.norm.weight" }];
    expect(layOut(visualTensors([read(safetensors(all))]), tower).steps.length).toBeGreaterThan(0);
  });

  test("with a tensor in two files", () => {
    const file = read(safetensors(tensors()));
    expect(failure(() => layOut(visualTensors([file, file]), tower)).message).toContain("twice");
  });

  test("with a tensor of another type, shape or number of bytes", () => {
    const change = (part: object) => (header: Parameters<NonNullable<Parameters<typeof safetensors>[1]>>[0]) => {
      Object.assign(header[norm] ?? {}, part);
    };
    expect(layOutOf(tensors(), change({ dtype: "F32" })).message).toContain(`${norm} of type F32, expected BF16`);
    expect(layOutOf(tensors(), change({ shape: [8, 8] })).message).toContain(`${norm} of shape (8, 8), expected (64)`);
    const short = tensors().map((tensor) => (tensor.name === norm ? { ...tensor, bits: new Uint16Array(63) } : tensor));
    expect(layOutOf(short).message).toContain(`126 bytes of tensor ${norm}, expected 128`);
  });

  test("whose patches cannot be divided among its heads", () => {
    const files = visualTensors([read(safetensors(tensors()))]);
    expect(failure(() => shapeOf(files, 3)).message).toContain("has 3 heads (num_heads in config.json)");
    expect(shapeOf(files, 2)).toEqual(shape);
  });
});
