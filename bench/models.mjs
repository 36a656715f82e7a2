/** The random models of the benchmarks. They are written at first use into models/, which git ignores. */

import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { tensorShapes } from "../dist/demo/architecture.js";
import { publishedMmprojShape, writeRandomMmproj } from "../dist/demo/random-mmproj.js";
import { writeRandomModel } from "../dist/demo/random-model.js";
import { native } from "../dist/native/index.js";
import { sha256 } from "./machine.mjs";

/** @import { EngineInfo } from "../binding.js" */
/** @import { RandomModelOptions } from "../dist/demo/random-model.js" */
/** @import { ModelFacts, Shape } from "./types.js" */

const root = process.env.BENCH_MODELS ?? join(dirname(fileURLToPath(import.meta.url)), "..", "models");

/** @typedef {"full" | "small" | "small-f16" | "tiny"} ModelName */

/**
 * `full` has jina-reranker-m0's shape: 28 layers of 1536, 151,936 tokens; `tiny` computes next to nothing.
 *
 * @typedef {Omit<RandomModelOptions, "directory" | "name" | "type" | "seed">} RandomShape
 * @type {Record<Exclude<ModelName, "small-f16">, RandomShape>}
 */
const quantizedShapes = {
  full: { layers: 28, embeddingLength: 1536, headLength: 128, kvHeads: 2, feedForwardLength: 8960, vocabularySize: "full" },
  small: { layers: 4, embeddingLength: 512, headLength: 64, kvHeads: 2, feedForwardLength: 1536, vocabularySize: 24000 },
  tiny: { layers: 1, embeddingLength: 256, headLength: 64, kvHeads: 1, feedForwardLength: 256, vocabularySize: 24000 },
};
/** @type {Record<ModelName, RandomShape>} */
const shapes = { ...quantizedShapes, "small-f16": quantizedShapes.small };

/**
 * Paths of a model and its head. The model is in Q4_K_M unless its name says otherwise.
 *
 * @param {ModelName} name
 * @param {(line: string) => void} log
 */
export async function ensureModel(name, log) {
  const directory = join(root, name);
  const quantized = name !== "small-f16";
  const modelPath = join(directory, quantized ? "q4_k_m.gguf" : "f16.gguf");
  const headPath = join(directory, "mlp_weights.npz");
  if (existsSync(modelPath)) return { modelPath, headPath };
  log(`writing the random model "${name}"`);
  // Renamed when it is complete.
  const part = `${directory}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  const f16 = await writeRandomModel({ ...shapes[name], directory: part, name: "f16", type: "f16", seed: 1 });
  if (quantized) {
    log("quantizing it to Q4_K_M");
    await native.quantize(f16.modelPath, join(part, basename(modelPath)), "q4_k_m");
    rmSync(f16.modelPath);
  }
  rmSync(directory, { recursive: true, force: true });
  renameSync(part, directory);
  return { modelPath, headPath };
}

/**
 * The path of a vision tower of jina-reranker-m0's shape, 1.3 GB in F16 and 0.7 GB in Q8_0.
 *
 * @param {"f16" | "q8_0"} type
 * @param {(line: string) => void} log
 */
export async function ensureMmproj(type, log) {
  const directory = join(root, "vision");
  const path = join(directory, `${type}.gguf`);
  if (existsSync(path)) return path;
  log(`writing a random vision tower in ${type}`);
  mkdirSync(directory, { recursive: true });
  return writeRandomMmproj({ ...publishedMmprojShape, directory, name: type, type, seed: 1 });
}

/**
 * Floating-point operations of the layers for one token: two for each weight of each matrix. The embedding table only costs a
 * look-up. Attention over other tokens, a few percent at these lengths, is not counted.
 *
 * @param {ModelName} name
 */
function flopPerToken(name) {
  const shape = shapes[name];
  const matrices = tensorShapes({ ...shape, name, ropeBase: 1e6, fileType: "f16" }, 1).filter(
    (tensor) => tensor.shape.length === 2 && tensor.name.startsWith("blk."),
  );
  return matrices.reduce((sum, tensor) => sum + 2 * tensor.shape.reduce((product, length) => product * length, 1), 0);
}

/**
 * @param {ModelName} name
 * @param {EngineInfo} info
 * @returns {Shape}
 */
export function shapeOf(name, { vocabularySize }) {
  return { ...shapes[name], vocabularySize };
}

/**
 * @param {ModelName} name
 * @param {string} modelPath
 * @param {EngineInfo} info
 * @returns {Promise<ModelFacts>}
 */
export async function modelFacts(name, modelPath, { description, layers, embeddingLength }) {
  const shape = shapes[name];
  if (layers !== shape.layers || embeddingLength !== shape.embeddingLength) {
    throw new Error(
      `${modelPath} has ${layers} layers of ${embeddingLength}, ${name} has ${shape.layers} of ${shape.embeddingLength}: remove it to have it written again`,
    );
  }
  const { size } = statSync(modelPath);
  return { name, description, sha256: await sha256(modelPath), fileBytes: size, flopPerToken: flopPerToken(name) };
}
