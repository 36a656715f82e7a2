/** Numbers are rounded as ggml rounds them: checked against plain arithmetic, and against bytes that gguf-py wrote. */

import { describe, expect, it } from "vitest";
import { encoders, toHalf, toQ8 } from "../../src/gguf/encode.js";
import { halfOf } from "../support/random-tower.js";

describe("float16", () => {
  it("is the nearest one, ties to even, at every exponent", () => {
    for (let exponent = -30; exponent < 15; exponent++) {
      for (const fraction of [0, 1, 0xfff, 0x1000, 0x1001, 0x2fff, 0x3000, 0x3001, 0x400000, 0x7fefff, 0x7ff000, 0x7fffff]) {
        const bits = ((exponent + 127) << 23) | fraction;
        const [value = 0] = new Float32Array(Uint32Array.of(bits).buffer);
        expect(toHalf(Float32Array.of(value, -value)), `${value}`).toEqual(Uint16Array.of(halfOf(value), halfOf(-value)));
      }
    }
  });

  it("is 0 for what is smaller than half of its smallest number, and infinity beyond its largest", () => {
    const values = Float32Array.of(0, -0, 2 ** -25, 2 ** -25 * 1.01, 2 ** -149, 65_504, 65_519, 65_520, 1e38, -1e38);
    expect([...toHalf(values)]).toEqual([0, 0x8000, 0, 1, 0, 0x7bff, 0x7bff, 0x7c00, 0x7c00, 0xfc00]);
  });
});

describe("q8_0", () => {
  it("has the scale of the largest number, and rounds halves away from zero", () => {
    const values = new Float32Array(64);
    // The scale is 1, so the numbers are kept, and 0.5 and -0.5 are ties.
    values.set([127, 0.5, -0.5, 1.5, -1.5, 0.49, -0.49, 126.5, -126.5]);
    const bytes = toQ8(values);
    expect([bytes[0], bytes[1]]).toEqual([0x00, 0x3c]);
    expect([...new Int8Array(bytes.buffer, 2, 9)]).toEqual([127, 1, -1, 2, -2, 0, 0, 127, -127]);
    // A block of zeros has the scale 0.
    expect([...bytes.subarray(34)]).toEqual(Array(34).fill(0));
  });

  it("takes a view into a larger array for what it is", () => {
    const all = Float32Array.from({ length: 96 }, (_, index) => Math.sin(index));
    for (const type of ["f32", "f16", "q8_0"] as const) {
      expect(encoders[type](all.subarray(32, 64))).toEqual(encoders[type](all.slice(32, 64)));
    }
  });
});
