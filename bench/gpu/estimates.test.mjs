/** Tests the estimates against what an H100 took: bench/results/gpu-NVIDIA-H100-80GB-HBM3.md. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { designs, estimate, h100, probed, works } from "./estimates.mjs";

const [asItIs, ownKernels, fused, fp8] = designs;
const [hundred, , ten] = works;

for (const [work, measured] of /** @type {const} */ ([
  [hundred, 0.165],
  [ten, 0.0179],
])) {
  test(`${work.what}: the forward pass as it is takes what was measured, within 15 %`, () => {
    assert.ok(Math.abs(estimate(h100, asItIs, work) / measured - 1) < 0.15);
  });
}

test("each design takes less time than the one before", () => {
  const times = [asItIs, ownKernels, fused, fp8].map((design) => estimate(h100, design, hundred));
  assert.deepEqual(
    times,
    [...times].sort((left, right) => right - left),
  );
});

test("a probe's rates take the place of those of the H100", () => {
  const products = Object.keys(h100.rates).map((name) => ({ name, rows: 2048, bf16: 1e15, fp8: null }));
  const card = probed({ products: /** @type {any} */ (products), deviceBandwidth: 4e12 });
  assert.equal(card.rates.down.bf16, 1e15);
  assert.equal(card.bytesPerSecond, 4e12);
  assert.ok(estimate(card, asItIs, hundred) < estimate(h100, asItIs, hundred));
  assert.ok(Number.isNaN(estimate(card, fp8, hundred)));
  assert.throws(() => probed({ products: [], deviceBandwidth: 4e12 }), /no product "qkv" of 2048 rows/);
});
