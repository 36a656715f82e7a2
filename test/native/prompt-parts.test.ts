/** test/native/prompt-parts-test.cpp with the tokenizers of generated models. ctest runs it with Qwen2's own, also sanitized. */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { demoModel } from "../support/demo-service.js";
import { randomModel, wideShape } from "../support/random-models.js";

const root = join(import.meta.dirname, "..", "..");
const program = join(root, "build", "tests", "prompt-parts-test");

it.each([
  ["the demo model", demoModel],
  ["a random model", () => randomModel({ ...wideShape, layers: 2 })],
  ["a random model with few tokens", () => randomModel({ ...wideShape, layers: 1, vocabularySize: 1000 })],
])("with the tokenizer of %s a prompt has the tokens of its whole text", { timeout: 300_000 }, async (_, model) => {
  expect(existsSync(program), "built by node native/build.mjs").toBe(true);
  const { modelPath } = await model();
  const args = [join(root, "build", "Release"), modelPath];
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 1 << 26 });
  expect(stdout).not.toMatch(/FAIL/);
  expect(stdout.match(/^ok /gm)?.length).toBe(8);
});
