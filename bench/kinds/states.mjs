/**
 * Measures states on disk: documents computed, documents read from disk by a process that was started anew, and documents that are
 * in memory, each with a query. What the last takes is the query, so the differences are the documents.
 */

import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { statistics } from "../statistics.mjs";

/** @import { Bench } from "../bench.mjs" */
/** @import { BenchRequest, StatesResult, TrialOf } from "../types.js" */

/**
 * @param {TrialOf<"states">} trial
 * @param {Bench} bench
 * @returns {Promise<StatesResult>}
 */
export async function run(trial, bench) {
  const [driver] = await bench.available(trial.drivers);
  if (driver === undefined) throw new Error(`${trial.name}: its driver was not chosen`);
  /** @type {StatesResult["sets"]} */
  const sets = [];
  for (const { name, lengths } of trial.sets) {
    const samples = [];
    for (let round = 0; round < trial.rounds; round++) {
      const sample = await measure(driver, bench, lengths);
      bench.log(
        `${name}: computed ${fixed(sample.computed)} s, from disk ${fixed(sample.disk)} s, in memory ${fixed(sample.memory)} s`,
      );
      samples.push(sample);
    }
    sets.push({
      name,
      documents: lengths.length,
      documentTokens: lengths[0] ?? 0,
      bytes: samples[0]?.bytes ?? 0,
      computed: statistics(samples.map(({ computed }) => computed)),
      disk: statistics(samples.map(({ disk }) => disk)),
      memory: statistics(samples.map(({ memory }) => memory)),
      dropped: samples.every(({ dropped }) => dropped),
    });
  }
  return { kind: "states", sets };
}

/**
 * The same documents with a query of one token, so that little is computed but the documents.
 *
 * @param {BenchRequest} request
 * @param {string} query
 */
const ask = ({ documents }, query) => ({ query, documents, pairs: [] });

/**
 * @param {string} name
 * @param {Bench} bench
 * @param {readonly number[]} lengths
 */
async function measure(name, bench, lengths) {
  const documentCacheDir = mkdtempSync(join(tmpdir(), "jina-reranker-bench-states-"));
  try {
    const first = await started(name, bench, documentCacheDir);
    const words = ["river", "city", "music", "water", "book", "paper", "light"];
    const request = bench.corpus.request(lengths);
    const { seconds: computed } = await first.ask("score", ask(request, words.pop() ?? ""));
    await bench.end();
    // The first request of a driver, which is not measured, has shorter documents.
    const bytes = Math.max(...filesIn(documentCacheDir).map((path) => statSync(path).size));
    const second = await started(name, bench, documentCacheDir);
    const dropped = dropPageCache();
    const { seconds: disk } = await second.ask("score", ask(request, words.pop() ?? ""));
    const memory = [];
    for (let i = 0; i < 5; i++) memory.push((await second.ask("score", ask(request, words.pop() ?? ""))).seconds);
    await bench.end();
    return { computed, disk, memory: statistics(memory).median, bytes, dropped };
  } finally {
    rmSync(documentCacheDir, { recursive: true });
  }
}

/**
 * @param {string} name
 * @param {Bench} bench
 * @param {string} documentCacheDir
 */
async function started(name, bench, documentCacheDir) {
  const driver = (await bench.open([name], { documentCacheDir })).get(name);
  if (!driver) throw new Error(`${name} does not run`);
  return driver;
}

/** @param {string} folder */
function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.name.endsWith(".state")).map((entry) => join(entry.parentPath, entry.name));
}

/** Whether the system forgot what it had read: then states come from the disk itself. Only root may ask for it. */
function dropPageCache() {
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "1");
    return true;
  } catch {
    return false;
  }
}

/** @param {number} seconds */
const fixed = (seconds) => seconds.toFixed(3);
