/** test/native/vision-test.cpp, a vision tower with random weights: every weight type, plainly and sanitized. */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import type { TensorType } from "../../src/gguf/header.js";
import { processLibc } from "../../src/native/libc.js";
import { randomMmproj } from "../support/random-models.js";

const build = join(import.meta.dirname, "..", "..", "build");
const shape = { layers: 3, embeddingLength: 128, headLength: 32, feedForwardLength: 256, projectionLength: 64 };

async function run(type: TensorType, suffix = ""): Promise<void> {
  const path = await randomMmproj({ ...shape, type, seed: 31 });
  const args = [join(build, "Release"), path, String(shape.projectionLength)];
  const env = { ...process.env, TSAN_OPTIONS: "ignore_noninstrumented_modules=1 exitcode=66" };
  const program = join(build, "tests", `vision-test${suffix}`);
  const { stdout, stderr } = await promisify(execFile)(program, args, { env, maxBuffer: 1 << 26 });
  expect(stderr).not.toMatch(/Sanitizer/);
  expect(stdout).not.toMatch(/FAIL/);
  expect(stdout.match(/^ok /gm)?.length).toBe(7);
}

it.each(["f32", "f16", "q8_0"] as const)("the same bits whatever came before, with %s weights", (type) => run(type));

it.each(["_asan", "_tsan"].filter(() => process.platform !== "win32" && processLibc() !== "musl"))(
  "sanitizers find no fault, %s",
  (suffix) => run("q8_0", suffix),
  600_000,
);
