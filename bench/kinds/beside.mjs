/** Measures a small request alone, and while large requests are being computed. */

import { tokenCount } from "../corpus.mjs";
import { statistics } from "../statistics.mjs";

/** @import { Bench } from "../bench.mjs" */
/** @import { BesideResult, TrialOf } from "../types.js" */

const largeAtOnce = 2;

/**
 * @param {TrialOf<"beside">} trial
 * @param {Bench} bench
 * @returns {Promise<BesideResult>}
 */
export async function run(trial, bench) {
  const open = await bench.open(trial.drivers);
  const requests = (/** @type {number} */ count, /** @type {readonly number[]} */ lengths) =>
    Array.from({ length: count }, () => bench.corpus.request(lengths));
  /** @type {BesideResult} */
  const result = { kind: "beside", tokens: { small: 0, large: 0 }, drivers: {} };
  for (const [name, driver] of open) {
    const alone = [];
    const beside = [];
    for (let round = 0; round < trial.rounds; round++) {
      const work = {
        small: requests(trial.requests, trial.small.lengths),
        smallBeside: requests(trial.requests, trial.small.lengths),
        large: requests(largeAtOnce, trial.large.lengths),
      };
      const [small, large] = [work.small[0], work.large[0]];
      if (small && large) result.tokens = { small: tokenCount(small), large: tokenCount(large) };
      const sample = await driver.ask("beside", work);
      if (sample.largeFinished === largeAtOnce) {
        throw new Error(`${name}: the large requests ended before the small ones did; make them larger`);
      }
      alone.push(...sample.alone);
      beside.push(...sample.beside);
      bench.log(`${name}: alone ${sample.alone.map(fixed).join(", ")} s, beside ${sample.beside.map(fixed).join(", ")} s`);
    }
    result.drivers[name] = { alone: statistics(alone), beside: statistics(beside) };
  }
  return result;
}

/** @param {number} seconds */
const fixed = (seconds) => seconds.toFixed(3);
