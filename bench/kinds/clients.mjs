/**
 * Measures many clients at once. Each sends its next request when the last one was answered: with new documents, or with new
 * queries over documents that the driver knows.
 */

import { tokenCount } from "../corpus.mjs";
import { statistics } from "../statistics.mjs";

/** @import { Bench } from "../bench.mjs" */
/** @import { ClientsResult, TrialOf } from "../types.js" */

/** So many that clients at once do not ask for the same documents. */
const knownRequests = 16;

/**
 * @param {TrialOf<"clients">} trial
 * @param {Bench} bench
 * @returns {Promise<ClientsResult>}
 */
export async function run(trial, bench) {
  const open = await bench.open(trial.drivers, trial.settings);
  const known = trial.warm ? Array.from({ length: knownRequests }, () => bench.corpus.request(trial.set.lengths)) : [];
  for (const driver of open.values()) for (const request of known) await driver.ask("score", request);
  const samples = [...open.keys()].flatMap((driver) =>
    trial.levels.map((level) => ({
      driver,
      ...level,
      rates: /** @type {number[]} */ ([]),
      latencies: /** @type {number[]} */ ([]),
    })),
  );
  let tokensPerRequest = 0;
  for (let round = 0; round < trial.rounds; round++) {
    for (const sample of samples) {
      const requests = Array.from({ length: sample.requests }, (_, index) => {
        const first = known[index % known.length];
        return first ? bench.corpus.again(first) : bench.corpus.request(trial.set.lengths);
      });
      const tokens = requests.reduce((sum, request) => sum + tokenCount(request), 0);
      const done = await open.get(sample.driver)?.ask("clients", { clients: sample.clients, requests });
      if (!done) continue;
      tokensPerRequest = tokens / requests.length;
      sample.rates.push(tokens / done.seconds);
      sample.latencies.push(...done.latencies);
      bench.log(`${sample.clients} clients, ${sample.driver}: ${(tokens / done.seconds).toFixed(1)} tokens/s`);
    }
  }
  return {
    kind: "clients",
    tokensPerRequest,
    drivers: Object.fromEntries(
      [...open.keys()].map((driver) => [
        driver,
        samples
          .filter((sample) => sample.driver === driver)
          .map(({ clients, requests, rates, latencies }) => ({
            clients,
            requests,
            tokensPerSecond: statistics(rates),
            latency: statistics(latencies),
          })),
      ]),
    ),
  };
}
