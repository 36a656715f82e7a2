/**
 * The claims about a GPU, with the service's default PRECISION=auto. Cold pairs are those of documents that are not kept: keeping
 * their states is a cost that pays with the second query, and has a row of its own. What is asked beside the page's own figures is
 * estimated from published rates of one H100 (docs/internals.md).
 */

import { NotMeasured, percent, times } from "../reader.mjs";
import { gpuSets } from "../trials.mjs";

/** @import { Claim } from "../rows.mjs" */
/** @import { Reader } from "../reader.mjs" */

const ours = "auto";
const oursUncached = "auto-uncached";
const peers = ["llama-server-32", "transformers"];

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
 * @param {{ what: string, driver: string, asked: number | undefined, warm?: boolean }} wanted
 * @returns {Claim}
 */
function pairs({ what, driver, asked, warm = false }) {
  return {
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
 * @param {{ asked: number, what?: string }} wanted
 * @returns {Claim}
 */
function latency({ asked, what = "" }) {
  return {
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
  pairs({ what: "cold", driver: oursUncached, asked: 1500 }),
  pairs({ what: "cold, and their states kept", driver: ours, asked: undefined }),
  pairs({ what: "warm", driver: ours, asked: 8000, warm: true }),
  pairs({ what: "cold, what the page promises", driver: oursUncached, asked: 100 }),
  latency({ asked: 10 }),
  latency({ asked: 100, what: ", what the page promises" }),
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
      const { tokens, cold } = reader.documents("gpu-128", oursUncached, 1);
      const rate = (tokens * reader.model.flopPerToken) / cold.median / 1e12;
      return { measured: `${percent(rate / limit)} (${rate.toFixed(0)} of ${limit.toFixed(0)} TFLOP/s)`, met: undefined };
    },
  },
];
