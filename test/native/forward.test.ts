/** test/native/forward-test.cpp, the forward pass of random models: every weight type, many shapes, plainly and sanitized. */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { randomModel, type Shape, wideShape } from "../support/random-models.js";

const root = join(import.meta.dirname, "..", "..");
const program = (suffix: string) => join(root, "build", "tests", `forward-test${suffix}`);
const weights = ["f32", "f16", "bf16", "q8_0", "q4_k_m", "q5_k_m"] as const;
type Weights = (typeof weights)[number];

/** How far a logit may be from llama_decode's, which rounds K, V and activations elsewhere. */
const tolerance: Record<Weights, number> = { f32: 2e-3, f16: 5e-3, bf16: 2e-2, q8_0: 2e-2, q4_k_m: 5e-2, q5_k_m: 5e-2 };

async function run(shape: Shape, type: Weights, suffix = ""): Promise<void> {
  expect(existsSync(program(suffix)), "built by node native/build.mjs").toBe(true);
  const { modelPath } = await randomModel(shape, type);
  const args = [join(root, "build", "Release"), modelPath, String(tolerance[type])];
  const env = { ...process.env, TSAN_OPTIONS: "ignore_noninstrumented_modules=1 exitcode=66" };
  const { stdout, stderr } = await promisify(execFile)(program(suffix), args, { env, maxBuffer: 1 << 26 });
  expect(stderr).not.toMatch(/Sanitizer/);
  expect(stdout).not.toMatch(/FAIL/);
  expect(stdout.match(/^ok /gm)?.length).toBe(7);
}

/** One KV head for all, a head each, several query heads to a KV head. */
const shapes: Record<string, Shape> = {
  "one KV head": { ...wideShape, layers: 2, seed: 1, embeddingLength: 256, kvHeads: 1 },
  "two KV heads": { ...wideShape, layers: 2, seed: 2, kvHeads: 2 },
  "a KV head for each head": { ...wideShape, layers: 1, seed: 3, embeddingLength: 256, kvHeads: 4 },
};

describe.each(Object.entries(shapes))("with %s the forward pass", (name, shape) => {
  it.each(name === "two KV heads" ? weights : (["f32", "q4_k_m"] as const))(
    "gives llama_decode's logits, and the same bits in any batch, with %s weights",
    (type) => run(shape, type),
  );
});

it.each(["_asan", "_tsan"].filter(() => process.platform !== "win32"))(
  "sanitizers find no fault, %s",
  (suffix) => run({ ...wideShape, layers: 2 }, "q4_k_m", suffix),
  600_000,
);
