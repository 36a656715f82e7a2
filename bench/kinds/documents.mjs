/**
 * Measures new documents, then new queries over the same documents. Each round draws new documents, sends the same requests to
 * all drivers in a rotated order, and compares their logits with those of one of our drivers.
 */

import { split } from "../batch-times.mjs";
import { tokenCount } from "../corpus.mjs";
import { driverNamed } from "../drivers/index.mjs";
import { machineLimit } from "../limit.mjs";
import { rootMeanSquare, standardDeviation, statistics } from "../statistics.mjs";

/** @import { Bench } from "../bench.mjs" */
/** @import { BatchTimes, DocumentsResult, DocumentsSample, TrialOf } from "../types.js" */

/**
 * @param {TrialOf<"documents">} trial
 * @param {Bench} bench
 * @returns {Promise<DocumentsResult>}
 */
export async function run(trial, bench) {
  const { corpus } = bench;
  const open = await bench.open(trial.drivers, { ...trial.settings, ...(trial.split && { logBatches: true }) });
  const names = [...open.keys()];
  const reference = names.find((name) => driverNamed(name).module === "library");
  if (reference === undefined)
    throw new Error(`${trial.name}: one of the drivers must be the library, whose scores are the reference`);

  const sets = trial.sets.map(({ name, lengths }) => ({
    name,
    lengths,
    tokens: /** @type {number[]} */ ([]),
    drivers: new Map(names.map((driver) => [driver, newSamples()])),
  }));
  // Those of loading, and of the first request, which is not measured.
  for (const driver of open.values()) await driver.ask("batches", null);
  const rates = [];
  /** @type {number[]} */
  const expectedLogits = [];
  for (let round = 0; round < trial.rounds; round++) {
    if (trial.limit) rates.push(await machineLimit(bench.options));
    for (const set of sets) {
      const request = corpus.request(set.lengths);
      const warmest = Math.max(0, ...names.map((name) => trial.warm[name] ?? trial.warm.default));
      const requests = [request, ...Array.from({ length: warmest }, () => corpus.again(request))];
      /** @type {Map<string, Float64Array[]>} */
      const logits = new Map();
      const order = [...names.slice(round % names.length), ...names.slice(0, round % names.length)];
      for (const name of order) {
        const samples = set.drivers.get(name);
        const asked = requests.slice(0, 1 + (trial.warm[name] ?? trial.warm.default));
        const scored = [];
        for (const [index, each] of asked.entries()) {
          const answer = await open.get(name)?.ask("score", each);
          if (!answer || !samples) continue;
          (index === 0 ? samples.cold : samples.warm).push(answer.seconds);
          const batches = (await open.get(name)?.ask("batches", null)) ?? [];
          (index === 0 ? samples.coldBatches : samples.warmBatches).push(...batches);
          scored.push(answer.logits);
          bench.log(`${set.name}, ${name}, ${index === 0 ? "cold" : "warm"}: ${answer.seconds.toFixed(3)} s`);
        }
        logits.set(name, scored);
      }
      const expected = logits.get(reference) ?? [];
      set.tokens.push(tokenCount(request));
      expectedLogits.push(...expected.flatMap((each) => [...each]));
      for (const [name, scored] of logits) {
        const samples = set.drivers.get(name);
        // Only requests that the reference got too can be compared.
        for (const [index, found] of scored.slice(0, expected.length).entries()) {
          samples?.found.push(...found);
          samples?.expected.push(...(expected[index] ?? []));
        }
      }
    }
  }

  const tolerance = trial.tolerance * standardDeviation(expectedLogits);
  /** @type {DocumentsResult} */
  const result = {
    kind: "documents",
    reference,
    tolerance,
    sets: sets.map((set) => ({
      name: set.name,
      documents: set.lengths.length,
      tokens: Math.round(set.tokens.reduce((sum, value) => sum + value, 0) / set.tokens.length),
      drivers: Object.fromEntries([...set.drivers].map(([name, samples]) => [name, summarise(name, samples, tolerance)])),
    })),
    peakBytes: {},
  };
  for (const [name, driver] of open) result.peakBytes[name] = await driver.ask("peak", null);
  const [first] = rates;
  if (first) result.limit = { ...statistics(rates.map(({ rate }) => rate)), type: first.type };
  return result;
}

function newSamples() {
  return {
    cold: /** @type {number[]} */ ([]),
    warm: /** @type {number[]} */ ([]),
    coldBatches: /** @type {BatchTimes[]} */ ([]),
    warmBatches: /** @type {BatchTimes[]} */ ([]),
    found: /** @type {number[]} */ ([]),
    expected: /** @type {number[]} */ ([]),
  };
}

/**
 * @param {string} driver
 * @param {ReturnType<typeof newSamples>} samples
 * @param {number} tolerance
 * @returns {DocumentsSample}
 */
function summarise(driver, { cold, warm, coldBatches, warmBatches, found, expected }, tolerance) {
  const difference = driverNamed(driver).ownWeights ? null : rootMeanSquare(found, expected);
  return {
    cold: statistics(cold),
    ...(warm.length > 0 && { warm: statistics(warm) }),
    difference,
    // Written with <=, so that NaN is false.
    agrees: difference === null || difference <= tolerance,
    ...(coldBatches.length > 0 && {
      split: { cold: split(coldBatches), ...(warmBatches.length > 0 && { warm: split(warmBatches) }) },
    }),
  };
}
