/** The claims about a GPU: cold documents, with the service's default PRECISION=auto. */

import { NotMeasured, percent, times } from "../reader.mjs";
import { gpuSets } from "../trials.mjs";

/** @import { Claim } from "../rows.mjs" */
/** @import { Reader } from "../reader.mjs" */

const ours = "auto";
const peers = ["llama-server-32", "transformers"];

/**
 * @param {Reader} reader
 * @param {string} trial
 * @param {number} set
 * @param {string} peer
 */
function over(reader, trial, set, peer) {
  const ratio = reader.documents(trial, peer, set).cold.median / reader.documents(trial, ours, set).cold.median;
  return { measured: times(ratio), met: ratio > 1 };
}

/** @type {readonly Claim[]} */
export const gpuClaims = [
  {
    what: "pairs a second, 100 × 128 tokens",
    asked: "1,000",
    read(reader) {
      const pairs = 100 / reader.documents("gpu-128", ours, 1).cold.median;
      return { measured: pairs.toFixed(0), met: pairs >= 1000 };
    },
  },
  {
    what: "latency, 10 × 128 tokens",
    asked: "≤ 15 ms",
    read(reader) {
      const milliseconds = 1000 * reader.documents("gpu-128", ours).cold.median;
      return { measured: `${milliseconds.toFixed(1)} ms`, met: milliseconds <= 15 };
    },
  },
  ...Object.entries(gpuSets).flatMap(([trial, sets]) =>
    sets.flatMap(({ name }, set) =>
      peers.map((peer) => ({
        what: `${name} tokens, over ${peer}`,
        asked: "> 1 ×",
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
      const { tokens, cold } = reader.documents("gpu-128", ours, 1);
      const rate = (tokens * reader.model.flopPerToken) / cold.median / 1e12;
      return { measured: `${percent(rate / limit)} (${rate.toFixed(0)} of ${limit.toFixed(0)} TFLOP/s)`, met: undefined };
    },
  },
];
