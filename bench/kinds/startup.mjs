/** Measures the time from a process's start to its first score. The file was read before, so the disk is not measured. */

import { DriverProcess } from "../driver-process.mjs";
import { driverNamed } from "../drivers/index.mjs";
import { statistics } from "../statistics.mjs";

/** @import { Bench } from "../bench.mjs" */
/** @import { StartupResult, TrialOf } from "../types.js" */

/**
 * @param {TrialOf<"startup">} trial
 * @param {Bench} bench
 * @returns {Promise<StartupResult>}
 */
export async function run(trial, bench) {
  const names = await bench.available(trial.drivers);
  const seconds = new Map(names.map((name) => [name, /** @type {number[]} */ ([])]));
  for (let round = 0; round < trial.rounds; round++) {
    for (const name of names) {
      const request = bench.corpus.request(trial.set.lengths);
      const entry = driverNamed(name);
      const start = performance.now();
      const driver = bench.keep(new DriverProcess(entry));
      await driver.ask("open", bench.settings(entry));
      await driver.ask("score", request);
      const elapsed = (performance.now() - start) / 1000;
      await driver.end();
      seconds.get(name)?.push(elapsed);
      bench.log(`${name}: ${elapsed.toFixed(2)} s`);
    }
  }
  return { kind: "startup", drivers: Object.fromEntries([...seconds].map(([name, samples]) => [name, statistics(samples)])) };
}
