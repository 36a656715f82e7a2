/**
 * The engine alone under a mixed load, instrumented: no data race (ThreadSanitizer), no wrong memory access (AddressSanitizer),
 * every job ended once. ENGINE_LOAD_SECONDS makes it run longer than the few seconds of the suite.
 */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { processLibc } from "../../src/native/libc.js";
import { randomModel, wideShape } from "../support/random-models.js";

const root = join(import.meta.dirname, "..", "..");
const seconds = Number(process.env.ENGINE_LOAD_SECONDS ?? 4);
const program = (suffix: string) => join(root, "build", "tests", `engine-load${suffix}`);
// MSVC has neither sanitizer, nor has Alpine's compiler.
const suffixes = ["", "_asan", "_tsan"].filter(
  (suffix) => suffix === "" || (process.platform !== "win32" && processLibc() !== "musl"),
);

interface Report {
  readonly submitted: number;
  readonly ended: number;
  readonly computed: number;
  readonly wrong: number;
  readonly completed: number;
  readonly cancelled: number;
  readonly warm: number;
  readonly repeated: number;
}

// Attention is the engine's own with both, the products with quantized weights only.
describe.each(suffixes.flatMap((suffix) => [["f32", suffix] as const, ["q4_k_m", suffix] as const]))(
  "%s, engine-load%s",
  (weights, suffix) => {
    it("ends every job once, with the same bits for the same pair, and no report", async () => {
      expect(existsSync(program(suffix)), "built by node native/build.mjs").toBe(true);
      const shape = { ...wideShape, layers: 2 };
      const { modelPath } = await randomModel(shape, weights);
      const args = [join(root, "build", "Release"), modelPath, String(shape.embeddingLength), String(seconds)];
      // ggml's threads wait for each other by atomics that ThreadSanitizer does not see: its own libraries are left out.
      const env = { ...process.env, TSAN_OPTIONS: "ignore_noninstrumented_modules=1 exitcode=66" };
      const { stdout, stderr } = await promisify(execFile)(program(suffix), args, { env, maxBuffer: 1 << 26 });
      expect(stderr).not.toMatch(/Sanitizer/);
      const report: Report = JSON.parse(stdout);
      expect(report.wrong).toBe(0);
      expect(report.ended).toBe(report.submitted);
      expect(report.completed).toBeGreaterThan(0);
      expect(report.cancelled).toBeGreaterThan(0);
      expect(report.repeated).toBeGreaterThan(0);
      expect(report.warm).toBeGreaterThan(0);
      expect(report.computed).toBeGreaterThan(0);
    });
  },
);
