/**
 * Compares the device's scores with the CPU's exact ones on random models, small ones and ones of the model's own shape: each logit
 * must be within a limit, and two documents must have the same order if their logits differ by more than the limit allows for.
 * Exits with 1 when a comparison fails. Cases that --out has are not compared again, so a run that was cut off continues.
 *
 *     node bench/gpu/parity.mjs [--n-gpu-layers 999] [--threads N] [--out parity.json]
 */

import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeRandomModel } from "../../dist/demo/random-model.js";
import { Reranker } from "../../dist/index.js";
import { native } from "../../dist/native/index.js";
import { Corpus } from "../corpus.mjs";

/** @typedef {Omit<import("../../dist/demo/random-model.js").RandomModelOptions, "directory" | "type">} Shape */
/** @typedef {"f32" | "f16" | "bf16" | "q4_k_m"} Weights */
/** @typedef {{ name: string, shape: Shape, weights: Weights, kvType: "f16" | "q8_0", limit: number }} Case */

const lengths = [1, 7, 16, 33, 64, 100, 128, 200, 257, 512, 700, 1024];
const queries = 3;

/** @type {Shape} */
const small = {
  layers: 4,
  embeddingLength: 512,
  headLength: 64,
  kvHeads: 2,
  feedForwardLength: 1536,
  vocabularySize: 24000,
  seed: 7,
};
/** The model's own: heads of 128, six query heads to a KV head. Two layers of it and a small vocabulary are written in seconds. */
/** @type {Shape} */
const own = {
  layers: 2,
  embeddingLength: 1536,
  headLength: 128,
  kvHeads: 2,
  feedForwardLength: 8960,
  vocabularySize: 24000,
  seed: 7,
};

/**
 * `limit`: the largest difference of two logits that is accepted. The documents together are more than 1,024 rows of a batch, where
 * a GPU takes other kernels.
 *
 * @type {readonly Case[]}
 */
const cases = [
  { name: "small", shape: small, weights: "f32", kvType: "f16", limit: 2e-2 },
  { name: "small", shape: small, weights: "f16", kvType: "f16", limit: 2e-2 },
  { name: "own shape", shape: own, weights: "bf16", kvType: "f16", limit: 5e-2 },
  { name: "own shape", shape: own, weights: "q4_k_m", kvType: "f16", limit: 1e-1 },
  { name: "own shape", shape: own, weights: "q4_k_m", kvType: "q8_0", limit: 2e-1 },
];

const { values: flags } = parseArgs({
  options: {
    "n-gpu-layers": { type: "string", default: "0" },
    threads: { type: "string", default: "0" },
    out: { type: "string" },
  },
});
const gpuLayers = Number(flags["n-gpu-layers"]);
const threads = Number(flags.threads);
const batchTokens = 2048;
const folder = join(process.env.BENCH_MODELS ?? tmpdir(), "parity");

/**
 * The number of document pairs whose order differs although their logits differ by more than the limit allows for.
 *
 * @param {Float32Array} expected
 * @param {Float32Array} found
 * @param {number} limit
 */
function swapped(expected, found, limit) {
  let count = 0;
  for (const [i, left] of expected.entries()) {
    for (const [j, right] of expected.entries()) {
      if (left - right > 2 * limit && (found[i] ?? Number.NaN) <= (found[j] ?? Number.NaN)) count++;
    }
  }
  return count;
}

/** @param {Float32Array} logits */
const order = (logits) => [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b).join();

/**
 * Cases of a shape share its model before it is quantized, whose writing takes longest.
 *
 * @param {Case} wanted
 */
async function modelOf({ name, shape, weights }) {
  const type = weights === "f16" ? "f16" : "f32";
  const directory = join(folder, `${name.replace(" ", "-")}-${type}`);
  if (!existsSync(directory)) {
    const part = `${directory}.part`;
    rmSync(part, { recursive: true, force: true });
    await writeRandomModel({ ...shape, directory: part, name: type, type });
    renameSync(part, directory);
  }
  const modelPath = join(directory, `${weights}.gguf`);
  if (weights !== type && !existsSync(modelPath)) {
    await native.quantize(join(directory, `${type}.gguf`), `${modelPath}.part`, weights);
    renameSync(`${modelPath}.part`, modelPath);
  }
  return { modelPath, headPath: join(directory, "mlp_weights.npz") };
}

/** @param {Case} wanted */
async function compare(wanted) {
  const { name, weights, kvType, limit } = wanted;
  const files = await modelOf(wanted);
  const corpus = await Corpus.open(files, 7);
  const first = corpus.request(lengths);
  const requests = [first, ...Array.from({ length: queries - 1 }, () => corpus.again(first))];
  await corpus.close();
  const common = { ...files, threads, batchTokens, precision: /** @type {const} */ ("file") };
  const reference = await Reranker.load({ ...common, gpuLayers: 0, kvType: "f32" });
  const device = await Reranker.load({ ...common, gpuLayers, kvType });
  let difference = 0;
  let misordered = 0;
  let sameOrder = 0;
  // No `await using`: nothing compiles this file, and its Node may not know that syntax.
  try {
    for (const { query, documents } of requests) {
      const { logits: expected } = await reference.score({ query, documents });
      const { logits: found } = await device.score({ query, documents });
      difference = Math.max(difference, ...expected.map((value, index) => Math.abs(value - (found[index] ?? Number.NaN))));
      misordered += swapped(expected, found, limit);
      if (order(expected) === order(found)) sameOrder++;
    }
    // Written with <=, so that NaN fails.
    const passed = difference <= limit && misordered === 0;
    return { name, weights, kvType, device: device.info.device, difference, limit, misordered, sameOrder, passed };
  } finally {
    await device.close();
    await reference.close();
  }
}

const { out } = flags;
/** @type {Awaited<ReturnType<typeof compare>>[]} */
const rows = out !== undefined && existsSync(out) ? JSON.parse(readFileSync(out, "utf8")).rows : [];
for (const wanted of cases.slice(rows.length)) {
  rows.push(await compare(wanted));
  if (out !== undefined) writeFileSync(out, `${JSON.stringify({ documents: lengths.length, queries, rows }, null, 1)}\n`);
}
rmSync(folder, { recursive: true, force: true });
console.table(rows);
process.exitCode = rows.every(({ passed }) => passed) ? 0 : 1;
