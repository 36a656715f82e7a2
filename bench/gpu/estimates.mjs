/**
 * Estimates what a card scores, from what its products, its memory and a launch take. Nothing here was measured on the forward pass
 * that it describes: it says what is worth writing, and what a card must decide first.
 *
 *     node bench/gpu/estimates.mjs [probe.json]        products of probe.py; default: those of an H100 with 2,048 rows
 */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** The model's: layers, and what a token's row has of each product in a layer. */
const layers = 28;
const hidden = 1536;
const qkv = 2048;
const feedForward = 8960;
const products = {
  qkv: 2 * hidden * qkv,
  "attention output": 2 * hidden * hidden,
  "gate and up": 4 * hidden * feedForward,
  down: 2 * feedForward * hidden,
};

/** Bytes of K and V in F16 that a row reads in a layer, for each token before it. */
const stateBytes = 4 * 256;

/** @typedef {keyof typeof products} Product */
/** @typedef {"bf16" | "fp8"} Type */
/** @typedef {{ rates: Record<Product, Record<Type, number>>, bytesPerSecond: number, secondsPerLaunch: number, secondsOfHost: number }} Card */
/** @typedef {{ what: string, type: Type, bytes: number, launches: number, overlapped: boolean }} Design */
/** @typedef {{ what: string, pairs: number, newTokens: number, knownTokens: number }} Work */

/**
 * Products alone in torch, FLOP/s, and the host's time before a batch: bench/results/gpu-NVIDIA-H100-80GB-HBM3.md. Bytes read and
 * written in a second: a copy on another H100. What a batch of 1,500 rows took more than its products and its activations is a
 * launch's, of 25 in a layer.
 *
 * @type {Card}
 */
export const h100 = {
  rates: {
    qkv: { bf16: 316e12, fp8: 313e12 },
    "attention output": { bf16: 261e12, fp8: 231e12 },
    "gate and up": { bf16: 612e12, fp8: 840e12 },
    down: { bf16: 533e12, fp8: 645e12 },
  },
  bytesPerSecond: 3e12,
  secondsPerLaunch: 3.3e-6,
  secondsOfHost: 0.9e-3,
};

/** Bytes of a row in a layer between kernels: activations of bf16, a residual of f32 that two kernels read and write. */
const residual = 4 * 4 * hidden;
const around = residual + 2 * 2 * (2 * hidden + qkv + hidden + feedForward);

/** `bytes`: of a row in a layer, written and read. `overlapped`: whether the host prepares a batch while another is computed. */
export const designs = /** @type {const} @satisfies {readonly Design[]} */ ([
  // 9 to 12 MB a token over the layers: every operation of the graph takes and gives f32.
  { what: "as it is: a ggml graph, bf16", type: "bf16", bytes: 10.5e6 / layers, launches: 25, overlapped: false },
  { what: "own kernels, bf16", type: "bf16", bytes: around + 2 * 2 * 2 * feedForward, launches: 9, overlapped: true },
  { what: "own kernels, SwiGLU in the product, bf16", type: "bf16", bytes: around, launches: 8, overlapped: true },
  { what: "own kernels, SwiGLU in the product, fp8", type: "fp8", bytes: around, launches: 8, overlapped: true },
]);

/** Documents of 128 tokens make pairs of 150; of a known one 13 are computed. */
export const works = /** @type {const} @satisfies {readonly Work[]} */ ([
  { what: "100 × 128 tokens, cold", pairs: 100, newTokens: 150, knownTokens: 0 },
  { what: "100 × 128 tokens, warm", pairs: 100, newTokens: 13, knownTokens: 137 },
  { what: "10 × 128 tokens, cold", pairs: 10, newTokens: 150, knownTokens: 0 },
]);

const batchRows = 2048;

/**
 * Seconds.
 *
 * @param {Card} card
 * @param {Design} design
 * @param {Work} work
 */
export function estimate(card, { type, bytes, launches, overlapped }, { pairs, newTokens, knownTokens }) {
  const rows = pairs * newTokens;
  const batches = Math.ceil(rows / batchRows);
  const perRow = Object.entries(products).reduce(
    (sum, [name, flop]) => sum + flop / card.rates[/** @type {Product} */ (name)][type],
    0,
  );
  const state = (stateBytes * pairs * (knownTokens + newTokens)) / rows;
  const onCard = layers * (rows * (perRow + (bytes + state) / card.bytesPerSecond) + batches * launches * card.secondsPerLaunch);
  return onCard + card.secondsOfHost * (overlapped ? 1 : batches);
}

/**
 * The card that a probe saw, with the rates of a batch's rows; what the host and a launch take is the H100's.
 *
 * @param {{ products: readonly { name: Product, rows: number, bf16: number, fp8: number | null }[], deviceBandwidth: number }} probe
 * @returns {Card}
 */
export function probed({ products: found, deviceBandwidth }) {
  const rateOf = (/** @type {string} */ product) => {
    const rate = found.find(({ name, rows }) => name === product && rows === batchRows);
    if (!rate) throw new Error(`the probe has no product "${product}" of ${batchRows} rows`);
    return { bf16: rate.bf16, fp8: rate.fp8 ?? Number.NaN };
  };
  const rates = {
    qkv: rateOf("qkv"),
    "attention output": rateOf("attention output"),
    "gate and up": rateOf("gate and up"),
    down: rateOf("down"),
  };
  return { ...h100, rates, bytesPerSecond: deviceBandwidth };
}

/** Markdown. @param {Card} card */
export function estimatesTable(card) {
  const cells = (/** @type {Design} */ design) =>
    works.map((work) => {
      const seconds = estimate(card, design, work);
      return `${(work.pairs / seconds).toFixed(0)} pairs/s, ${(1000 * seconds).toFixed(1)} ms`;
    });
  const rows = [
    ["estimated", ...works.map(({ what }) => what)],
    ["---", ...works.map(() => "---:")],
    ...designs.map((design) => [design.what, ...cells(design)]),
  ];
  return rows.map((row) => `| ${row.join(" | ")} |\n`).join("");
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [file] = process.argv.slice(2);
  process.stdout.write(estimatesTable(file === undefined ? h100 : probed(JSON.parse(readFileSync(file, "utf8")))));
}
