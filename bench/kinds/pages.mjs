/** Measures pages as images: one at a time, and a request of texts alone and beside ten of them. */

import { statSync } from "node:fs";
import sharp from "sharp";
import { publishedMmprojShape } from "../../dist/demo/random-mmproj.js";
import { targetSize, tokensOf } from "../../dist/images/size.js";
import { tokenCount } from "../corpus.mjs";
import { machineLimit } from "../limit.mjs";
import { ensureMmproj } from "../models.mjs";
import { statistics } from "../statistics.mjs";

/** @import { Bench } from "../bench.mjs" */
/** @import { PagesResult, TrialOf } from "../types.js" */

const pagesBeside = 10;
const patchesOfAToken = 4;

/**
 * @param {TrialOf<"pages">} trial
 * @param {Bench} bench
 * @returns {Promise<PagesResult>}
 */
export async function run(trial, bench) {
  const mmprojPath = await ensureMmproj("q8_0", bench.log);
  const [driver] = (await bench.open(trial.drivers, { mmprojPath })).values();
  if (!driver) throw new Error(`${trial.name}: its driver was not chosen`);

  /** @type {{ type: string, rate: number }[]} */
  const limits = [];
  /** @type {PagesResult["sets"]} */
  const sets = [];
  for (const maxTokens of trial.maxTokens) {
    const size = targetSize(trial.page, maxTokens);
    const samples = [];
    for (let round = 0; round < trial.rounds; round++) {
      limits.push(await machineLimit(bench.options));
      const sample = await driver.ask("pages", [await page(size)]);
      bench.log(`${maxTokens} tokens at most: tower ${fixed(sample.towerSeconds)} s, all ${fixed(sample.seconds)} s`);
      samples.push(sample);
    }
    sets.push({
      maxTokens,
      ...size,
      tokens: samples[0]?.tokens ?? 0,
      flop: towerFlop(tokensOf(size)),
      seconds: statistics(samples.map(({ seconds }) => seconds)),
      towerSeconds: statistics(samples.map(({ towerSeconds }) => towerSeconds)),
      modelSeconds: statistics(samples.map(({ modelSeconds }) => modelSeconds)),
    });
  }

  const requests = () => Array.from({ length: trial.rounds }, () => bench.corpus.request(trial.small.lengths));
  const images = await Promise.all(Array.from({ length: pagesBeside }, () => page(trial.page)));
  const work = { small: requests(), smallBeside: requests(), images };
  const { alone, beside, largeFinished } = await driver.ask("besidePages", work);
  if (largeFinished > 0) throw new Error("the pages ended before the texts did");
  bench.log(`texts: alone ${alone.map(fixed).join(", ")} s, beside ${beside.map(fixed).join(", ")} s`);

  const [small] = work.small;
  return {
    kind: "pages",
    mmprojBytes: statSync(mmprojPath).size,
    sets,
    beside: { tokens: small ? tokenCount(small) : 0, alone: statistics(alone), beside: statistics(beside) },
    peakBytes: await driver.ask("peak", null),
    limit: { ...statistics(limits.map(({ rate }) => rate)), type: limits[0]?.type ?? "" },
  };
}

/**
 * A PNG of noise, each time another one: how it looks changes no time but its decoding's.
 *
 * @param {{ width: number, height: number }} size
 */
async function page({ width, height }) {
  const noise = { type: /** @type {const} */ ("gaussian"), mean: 128, sigma: 40 };
  return sharp({ create: { width, height, channels: 3, background: "#fff", noise } })
    .png()
    .toBuffer();
}

/**
 * Floating-point operations of the published tower, two for each multiplication.
 *
 * @param {number} tokens
 */
function towerFlop(tokens) {
  const { layers, embeddingLength: width, feedForwardLength, projectionLength } = publishedMmprojShape;
  const patches = patchesOfAToken * tokens;
  const merged = patchesOfAToken * width;
  const layer = width * (4 * width + 2 * feedForwardLength);
  return {
    products: 2 * (patches * layers * layer + tokens * merged * (merged + projectionLength)),
    attention: 2 * layers * 2 * width * patches * patches,
  };
}

/** @param {number} seconds */
const fixed = (seconds) => seconds.toFixed(2);
