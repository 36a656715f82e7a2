/**
 * Measures the time that HTTP adds: the same requests to the service, with one client, autocannon, and to the library, in turns.
 * Both have the documents in their caches, so the computation takes little time.
 */

import autocannon from "autocannon";
import { statistics } from "../statistics.mjs";

/** @import { Bench } from "../bench.mjs" */
/** @import { BenchRequest, OverheadResult, TrialOf } from "../types.js" */

/**
 * @param {TrialOf<"overhead">} trial
 * @param {Bench} bench
 * @returns {Promise<OverheadResult>}
 */
export async function run(trial, bench) {
  const open = await bench.open(trial.drivers);
  const [library, http] = [open.get("file"), open.get("http")];
  const url = bench.urls.get("http");
  if (!library || !http || url === undefined) throw new Error("the overhead needs the drivers file and http");
  const first = bench.corpus.request(trial.set.lengths);
  await library.ask("score", first);
  await http.ask("score", first);
  const measured = { library: /** @type {number[]} */ ([]), http: /** @type {number[]} */ ([]) };
  for (let round = 0; round < trial.rounds; round++) {
    const count = Math.ceil(trial.requests / trial.rounds);
    const requests = Array.from({ length: count }, () => bench.corpus.again(first));
    measured.library.push(...(await library.ask("latencies", requests)));
    measured.http.push(...(await httpLatencies(url, requests)));
  }
  const result = {
    kind: /** @type {const} */ ("overhead"),
    library: statistics(measured.library),
    http: statistics(measured.http),
  };
  bench.log(
    `p50 ${(1000 * result.library.median).toFixed(2)} ms in the library, ${(1000 * result.http.median).toFixed(2)} ms over HTTP`,
  );
  return result;
}

/**
 * Seconds of each request. They come from autocannon's events, because its histogram has whole milliseconds only.
 *
 * @param {string} url
 * @param {readonly BenchRequest[]} requests
 * @returns {Promise<number[]>}
 */
function httpLatencies(url, requests) {
  return new Promise((resolve, reject) => {
    /** @type {number[]} */
    const seconds = [];
    const instance = autocannon(
      {
        url,
        connections: 1,
        amount: requests.length,
        requests: requests.map(({ query, documents }) => ({
          method: "POST",
          path: "/rerank",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ query, documents, return_documents: false }),
        })),
      },
      (/** @type {unknown} */ error, /** @type {{ non2xx: number, errors: number }} */ { non2xx, errors }) => {
        if (error) reject(error);
        else if (non2xx + errors > 0) reject(new Error(`${non2xx + errors} of ${requests.length} requests failed`));
        else resolve(seconds);
      },
    );
    instance.on("response", (_client, _status, _bytes, milliseconds) => seconds.push(milliseconds / 1000));
  });
}
