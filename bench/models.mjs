/** The random models that benchmarks run, written on first use into models/ (ignored by git). */

import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeRandomModel } from "../dist/demo/random-model.js";
import { native } from "../dist/native.js";

const root = process.env.BENCH_MODELS ?? join(dirname(fileURLToPath(import.meta.url)), "..", "models");

/** `full` has jina-reranker-m0's shape: 28 layers of 1536, 151,936 tokens. */
const shapes = {
  full: { layers: 28, embeddingLength: 1536, headLength: 128, kvHeads: 2, feedForwardLength: 8960, vocabularySize: "full" },
  small: { layers: 8, embeddingLength: 512, headLength: 64, kvHeads: 2, feedForwardLength: 1536, vocabularySize: 24000 },
};

/** Paths of a model in Q4_K_M and its head. */
export async function ensureModel(name, log = (line) => process.stderr.write(`${line}\n`)) {
  const directory = join(root, name);
  const [modelPath, headPath] = [join(directory, "q4_k_m.gguf"), join(directory, "mlp_weights.npz")];
  if (existsSync(modelPath)) return { modelPath, headPath };
  mkdirSync(directory, { recursive: true });
  log(`writing the random model "${name}"`);
  const f16 = await writeRandomModel({ ...shapes[name], directory, name: "f16", type: "f16", seed: 1 });
  log(`quantizing it to Q4_K_M`);
  await native.quantize(f16.modelPath, modelPath, "q4_k_m");
  rmSync(f16.modelPath);
  return { modelPath, headPath };
}
