/** Which precisions are timed, and which one is taken by rates and memory. */

import { describe, expect, it } from "vitest";
import { candidates, decide } from "../../src/precision/decision.js";

const gib = 2 ** 30;

it.each([
  [true, ["AVX2"], ["f16", "bf16", "q8_0"]],
  [false, ["AVX2", "AVX512_BF16"], ["f16", "bf16", "q8_0"]],
  [false, ["AVX2", "AVX512_VNNI"], ["f16", "q8_0"]],
])("on a GPU (%s), or a CPU with %j, %j are timed", (onGpu, features, names) => {
  expect(candidates(onGpu, features)).toEqual(names);
});

describe("the precision that follows from rates and memory", () => {
  const needed = { f16: 4 * gib, q8_0: 2 * gib };
  it.each([
    { what: "the fastest", rates: { file: 10, f16: 20, q8_0: 15 }, free: 8 * gib, precision: "f16", reason: /^2\.00 x/ },
    {
      what: "the next where there is no room",
      rates: { file: 10, f16: 20, q8_0: 15 },
      free: 3 * gib,
      precision: "q8_0",
      reason: /^1\.50 x/,
    },
    {
      what: "the file's where there is room for none",
      rates: { file: 10, f16: 20, q8_0: 15 },
      free: gib,
      precision: "file",
      reason: /^not enough memory now for f16, which needs 4\.0 GiB or q8_0, which needs 2\.0 GiB: 1\.0 GiB are free/,
    },
    {
      what: "the file's where it is as fast",
      rates: { file: 10, f16: 10.4 },
      free: 8 * gib,
      precision: "file",
      reason: /^the file's own are/,
    },
    {
      what: "none that cannot be computed here",
      rates: { file: 10, bf16: 30 },
      free: 8 * gib,
      precision: "file",
      reason: /^the file's own are/,
    },
  ] as const)("is $what", ({ rates, free, precision, reason }) => {
    expect(decide(rates, needed, free)).toEqual({ precision, reason: expect.stringMatching(reason) });
  });
});
