/** test/native/engine-test.cpp, the whole engine in C++ with a random model, plainly and under the sanitizers. */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { processLibc } from "../../src/native/libc.js";
import { nightly } from "../support/nightly.js";
import { randomMmproj, randomModel, wideShape } from "../support/random-models.js";

const root = join(import.meta.dirname, "..", "..");
const program = (suffix: string) => join(root, "build", "tests", `engine-test${suffix}`);
// MSVC has neither sanitizer, nor has Alpine's compiler.
const suffixes = ["", "_asan", "_tsan"].filter(
  (suffix) => suffix === "" || (process.platform !== "win32" && processLibc() !== "musl"),
);

// Weights differ in their kernels alone, which products-test checks under the sanitizers too.
const weightsOf = (suffix: string) => (suffix === "" || nightly ? (["f32", "q4_k_m"] as const) : (["f32"] as const));

describe.each(suffixes.flatMap((suffix) => weightsOf(suffix).map((weights) => [weights, suffix] as const)))(
  "%s, engine-test%s",
  (weights, suffix) => {
    it("passes", { timeout: 600_000 }, async () => {
      expect(existsSync(program(suffix)), "built by node native/build.mjs").toBe(true);
      const shape = { ...wideShape, layers: 2 };
      const { modelPath } = await randomModel(shape, weights);
      const mmprojPath = await randomMmproj({
        ...{ layers: 2, embeddingLength: 64, headLength: 16, feedForwardLength: 256 },
        ...{ projectionLength: shape.embeddingLength, type: "f32", seed: 3 },
      });
      const args = [join(root, "build", "Release"), modelPath, String(shape.embeddingLength), mmprojPath];
      // ggml's threads wait for each other by atomics that ThreadSanitizer does not see: its own libraries are left out.
      const env = { ...process.env, TSAN_OPTIONS: "ignore_noninstrumented_modules=1 exitcode=66" };
      const { stdout, stderr } = await promisify(execFile)(program(suffix), args, { env, maxBuffer: 1 << 26 });
      expect(stderr).not.toMatch(/Sanitizer/);
      expect(stdout).not.toMatch(/FAIL/);
      expect(stdout.match(/^ok /gm)?.length).toBe(14);
    });
  },
);
