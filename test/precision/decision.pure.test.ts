/** Which precisions are timed, and which one is taken by rates, device and memory. */

import { describe, expect, it } from "vitest";
import { candidates, decide, decideOnGpu } from "../../src/precision/decision.js";

const gib = 2 ** 30;

it.each([
  [
    ["AVX2", "AVX512_BF16"],
    ["f16", "bf16", "q8_0"],
  ],
  [
    ["AVX2", "AVX512_VNNI"],
    ["f16", "q8_0"],
  ],
])("on a CPU with %j, %j are timed", (features, names) => {
  expect(candidates(features)).toEqual(names);
});

describe("the precision on a GPU", () => {
  const needed = { f16: 4 * gib, bf16: 4 * gib };
  const quantised = ["q4_K", "q6_K"];
  it.each([
    ["an H100", "CUDA", 9, quantised, 8, "bf16", /^GPU0: compute capability 9\.0 multiplies BF16/],
    ["an RTX 3060", "CUDA", 8.6, ["f16"], 8, "bf16", /^GPU0: compute capability 8\.6 multiplies BF16/],
    ["a T4", "CUDA", 7.5, quantised, 8, "file", /^GPU0: compute capability 7\.5 has no fast products/],
    ["a V100", "CUDA", 7, quantised, 8, "f16", /^GPU0: compute capability 7\.0 multiplies F16/],
    ["a P100", "CUDA", 6, quantised, 8, "file", /^GPU0: compute capability 6\.0 has no fast products/],
    ["a card whose driver does not say", "CUDA", 0, quantised, 8, "file", /^GPU0: its compute capability is not known/],
    ["another backend", "Vulkan", 0, quantised, 8, "f16", /^GPU0: what Vulkan is known to multiply fast/],
    ["an Apple GPU", "MTL", 0, ["f32"], 8, "f16", /^GPU0: what MTL is known/],
    ["a file of such weights", "CUDA", 9, ["bf16"], 8, "file", /multiplies BF16 and sums in F32; so are the file's$/],
    ["a file with some of such weights", "CUDA", 9, ["bf16", "q8_0"], 8, "bf16", /multiplies BF16/],
    [
      "a card without room",
      "CUDA",
      9,
      quantised,
      3,
      "file",
      /; not enough memory now for bf16, which needs 4\.0 GiB: 3\.0 GiB are/,
    ],
  ] as const)("of %s (%s, %d) for %j with %d GiB free is %s", (_, backend, computeCapability, types, free, precision, reason) => {
    const decision = decideOnGpu({ name: "GPU0", backend, computeCapability }, types, needed, free * gib);
    expect(decision).toEqual({ precision, reason: expect.stringMatching(reason) });
  });
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
