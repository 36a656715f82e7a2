/**
 * The claims about a GPU, with the service's default PRECISION=auto. Cold pairs are those of documents that are not kept: keeping
 * their states is a cost that pays with the second query, and has a row of its own.
 */

import { NotMeasured, percent, times } from "../reader.mjs";
import { gpuPeers, gpuSets } from "../trials.mjs";
import { designs, estimate, h100, works } from "./estimates.mjs";

/** @import { Claim } from "../rows.mjs" */
/** @import { Reader } from "../reader.mjs" */

const ours = "auto";
const oursUncached = "auto-uncached";

/** Where the figures that are asked for come from; docs/gpus.md has the estimates whole. */
const [, , ownKernels, ownKernelsFp8] = designs;
const [hundredCold, hundredWarm, tenCold] = works;
const pairRate = (/** @type {typeof designs[number]} */ design, /** @type {typeof works[number]} */ work) =>
  Math.round(work.pairs / estimate(h100, design, work)).toLocaleString("en");
const standsOn = {
  page: "what the service's page promises of any GPU",
  measured: "the same card in the same run",
  cold:
    "more than is estimated for an H100 with kernels of our own, which are not written: " +
    `${pairRate(ownKernels, hundredCold)} in bf16, ${pairRate(ownKernelsFp8, hundredCold)} in fp8`,
  warm: `an estimate for an H100 with kernels of our own, which are not written: ${pairRate(ownKernels, hundredWarm)} in bf16`,
  latency:
    "an estimate for an H100 with kernels of our own, which are not written: " +
    `${(1000 * estimate(h100, ownKernels, tenCold)).toFixed(1)} ms in bf16, ${(1000 * estimate(h100, ownKernelsFp8, tenCold)).toFixed(1)} in fp8`,
};

/** Rows of a batch on a GPU, by default. */
const batchRows = 2048;

/**
 * @param {Reader} reader
 * @param {string} trial
 * @param {number} set
 * @param {string} peer
 */
function over(reader, trial, set, peer) {
  const ratio = reader.documents(trial, peer, set).cold.median / reader.documents(trial, oursUncached, set).cold.median;
  return { measured: times(ratio), met: ratio > 1 };
}

/**
 * Pairs a second, of 100 documents of 128 tokens. The prompt of a pair has more tokens than its document, which the row says.
 *
 * @param {{ what: string, driver: string, asked: number | undefined, warm?: boolean, standsOn?: string }} wanted
 * @returns {Claim}
 */
function pairs({ what, driver, asked, warm = false, ...reason }) {
  return {
    ...reason,
    what: `pairs a second, 100 × 128 tokens, ${what}`,
    asked: asked === undefined ? "–" : asked.toLocaleString("en"),
    read(reader) {
      const sample = reader.documents("gpu-128", driver, 1);
      const time = warm ? sample.warm : sample.cold;
      if (!time) throw new NotMeasured(`${driver} was not asked again`);
      const rate = 100 / time.median;
      const measured = `${rate.toFixed(0)} (pairs of ${Math.round(sample.tokens / 100)} tokens)`;
      return { measured, met: asked === undefined ? undefined : rate >= asked };
    },
  };
}

/**
 * @param {{ asked: number, standsOn: string, what?: string }} wanted
 * @returns {Claim}
 */
function latency({ asked, what = "", ...reason }) {
  return {
    ...reason,
    what: `latency, 10 × 128 tokens, cold${what}`,
    asked: `≤ ${asked} ms`,
    read(reader) {
      const milliseconds = 1000 * reader.documents("gpu-128", oursUncached).cold.median;
      return { measured: `${milliseconds.toFixed(1)} ms`, met: milliseconds <= asked };
    },
  };
}

/** @type {readonly Claim[]} */
export const gpuClaims = [
  pairs({ what: "cold", driver: oursUncached, asked: 1500, standsOn: standsOn.cold }),
  pairs({ what: "cold, and their states kept", driver: ours, asked: undefined }),
  pairs({ what: "warm", driver: ours, asked: 8000, warm: true, standsOn: standsOn.warm }),
  pairs({ what: "cold, any GPU", driver: oursUncached, asked: 100, standsOn: standsOn.page }),
  latency({ asked: 10, standsOn: standsOn.latency }),
  latency({ asked: 100, what: ", any GPU", standsOn: standsOn.page }),
  {
    what: `pairs a second that torch's bf16 products of ${batchRows.toLocaleString("en")} rows allow, 100 × 128 tokens`,
    asked: "–",
    read(reader) {
      const { tokens } = reader.documents("gpu-128", oursUncached, 1);
      const products = reader.probe.products.filter(({ rows }) => rows === batchRows);
      const [work, seconds] = products.reduce(
        ([flop, time], { inputs, outputs, bf16 }) => [flop + inputs * outputs, time + (inputs * outputs) / bf16],
        [0, 0],
      );
      if (work === 0) throw new NotMeasured(`the probe has no products of ${batchRows} rows`);
      const rate = (100 * work) / (seconds * tokens * reader.model.flopPerToken);
      return { measured: rate.toFixed(0), met: undefined };
    },
  },
  ...Object.entries(gpuSets).flatMap(([trial, sets]) =>
    sets.flatMap(({ name }, set) =>
      gpuPeers.map((peer) => ({
        what: `${name} tokens, over ${peer}`,
        asked: "> 1 ×",
        standsOn: standsOn.measured,
        read: (/** @type {Reader} */ reader) => over(reader, trial, set, peer),
      })),
    ),
  ),
  {
    what: "share of the card's bf16 matrix product of 8192³, 100 × 128 tokens",
    asked: "–",
    read(reader) {
      const limit = reader.facts("gpu-128", "transformers").bf16MatmulTflops;
      if (typeof limit !== "number") throw new NotMeasured("the product was not measured");
      const { tokens, cold } = reader.documents("gpu-128", oursUncached, 1);
      const rate = (tokens * reader.model.flopPerToken) / cold.median / 1e12;
      return { measured: `${percent(rate / limit)} (${rate.toFixed(0)} of ${limit.toFixed(0)} TFLOP/s)`, met: undefined };
    },
  },
];
