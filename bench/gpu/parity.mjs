/**
 * Compares the device's scores with the CPU's exact ones on small random models: each logit must be within a limit, and two
 * documents must have the same order if their logits differ by more than the limit allows for. Exits with 1 when a comparison fails.
 *
 *     node bench/gpu/parity.mjs [--n-gpu-layers 999] [--threads N] [--out parity.json]
 */

import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeRandomModel } from "../../dist/demo/random-model.js";
import { Reranker } from "../../dist/index.js";
import { Corpus } from "../corpus.mjs";

/** The largest difference of two logits that is accepted. */
const limit = 2e-2;
const lengths = [1, 7, 16, 33, 64, 100, 128, 200, 257, 512, 700, 1024];
const queries = 3;

const { values: flags } = parseArgs({
  options: {
    "n-gpu-layers": { type: "string", default: "0" },
    threads: { type: "string", default: "0" },
    out: { type: "string" },
  },
});
const gpuLayers = Number(flags["n-gpu-layers"]);
const threads = Number(flags.threads);
const folder = join(process.env.BENCH_MODELS ?? tmpdir(), "parity");

/**
 * The number of document pairs whose order differs although their logits differ by more than the limit allows for.
 *
 * @param {Float32Array} expected
 * @param {Float32Array} found
 */
function swapped(expected, found) {
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

const rows = [];
for (const type of /** @type {const} */ (["f32", "f16"])) {
  const files = await writeRandomModel({
    directory: join(folder, type),
    layers: 4,
    embeddingLength: 512,
    headLength: 64,
    kvHeads: 2,
    feedForwardLength: 1536,
    vocabularySize: 24000,
    type,
    seed: 7,
  });
  const corpus = await Corpus.open(files, 7);
  const first = corpus.request(lengths);
  const requests = [first, ...Array.from({ length: queries - 1 }, () => corpus.again(first))];
  await corpus.close();
  const reference = await Reranker.load({
    ...files,
    threads,
    precision: "file",
    gpuLayers: 0,
    kvType: "f32",
  });
  const device = await Reranker.load({ ...files, threads, precision: "file", gpuLayers });
  let difference = 0;
  let misordered = 0;
  let sameOrder = 0;
  // No `await using`: nothing compiles this file, and its Node may not know that syntax.
  try {
    for (const { query, documents } of requests) {
      const { logits: expected } = await reference.score({ query, documents });
      const { logits: found } = await device.score({ query, documents });
      difference = Math.max(difference, ...expected.map((value, index) => Math.abs(value - (found[index] ?? Number.NaN))));
      misordered += swapped(expected, found);
      if (order(expected) === order(found)) sameOrder++;
    }
  } finally {
    await device.close();
    await reference.close();
  }
  // Written with <=, so that NaN fails.
  const passed = difference <= limit && misordered === 0;
  rows.push({ type, device: device.info.device, documents: lengths.length, queries, difference, misordered, sameOrder, passed });
}
rmSync(folder, { recursive: true, force: true });
console.table(rows);
if (flags.out) writeFileSync(flags.out, `${JSON.stringify({ limit, rows }, null, 1)}\n`);
process.exitCode = rows.every(({ passed }) => passed) ? 0 : 1;
