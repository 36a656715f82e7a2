/** Tests of reading claims from results, and of the page. test/packaging/bench.test.ts runs them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { batchTimes, split } from "./batch-times.mjs";
import { drivers } from "./drivers/index.mjs";
import { report } from "./report.mjs";
import { readRows } from "./rows.mjs";
import { median, rootMeanSquare, statistics } from "./statistics.mjs";
import { plans } from "./trials.mjs";

/** @import { DocumentsSample, Measured, Probe, Results } from "./types.js" */

/**
 * @param {number} cold
 * @param {number} [warm]
 * @returns {DocumentsSample}
 */
function sample(cold, warm) {
  return { cold: statistics([cold]), ...(warm !== undefined && { warm: statistics([warm]) }), difference: 0.01, agrees: true };
}

/**
 * A run of the trial "ten" with these drivers.
 *
 * @param {Record<string, DocumentsSample>} samples
 * @returns {Results}
 */
function results(samples) {
  /** @type {Measured} */
  const ten = {
    what: "ten",
    model: "full",
    date: "2026-01-01",
    commit: "0000000",
    run: "one",
    seconds: 1,
    left: {},
    facts: {},
    result: {
      kind: "documents",
      reference: "file",
      tolerance: 0.1,
      sets: [{ name: "10 × 128", documents: 10, tokens: 1500, drivers: samples }],
      peakBytes: {},
      limit: { ...statistics([200e9]), type: "f16" },
    },
  };
  return {
    machine: { cpu: "cpu", cores: 2, memoryBytes: 1, features: [], device: "CPU", node: "20" },
    llamaCpp: "v0",
    models: { full: { name: "full", sha256: "", fileBytes: 1, description: "", flopPerToken: 2e9 } },
    trials: { "full/ten": ten },
  };
}

/**
 * @param {Results} given
 * @param {string} beginning
 */
function row(given, beginning) {
  const found = readRows(given, "full").find(({ what }) => what.startsWith(beginning));
  assert.ok(found, beginning);
  return found;
}

const complete = {
  file: sample(20, 2.5),
  auto: sample(16, 2),
  "llama-server": sample(26),
  "llama-server-10": sample(27, 3),
  "node-llama-cpp": sample(28),
};

test("the rate of the tower's products is told from two sizes of pages", () => {
  const given = results(complete);
  const page = (/** @type {number} */ products, /** @type {number} */ attention) => ({
    maxTokens: 1,
    width: 28,
    height: 28,
    tokens: 1,
    flop: { products, attention },
    seconds: statistics([1]),
    // 100 GFLOP/s, and 50 of attention
    towerSeconds: statistics([products / 100e9 + attention / 50e9]),
    modelSeconds: statistics([1]),
  });
  const { what, model, date, commit, run, seconds, left, facts } = /** @type {Measured} */ (given.trials["full/ten"]);
  given.trials["full/pages"] = {
    ...{ what, model, date, commit, run, seconds, left, facts },
    result: {
      kind: "pages",
      mmprojBytes: 1,
      sets: [page(4e12, 1e12), page(1e12, 0.1e12)],
      beside: { tokens: 1, alone: statistics([2]), beside: statistics([6]) },
      peakBytes: 1,
      limit: { ...statistics([300e9]), type: "int8" },
    },
  };
  assert.equal(row(given, "share of the machine's limit for Q8_0").measured, "67 % (100 of 150 GFLOP/s)");
  given.machine.features.push("AVX512_VNNI");
  assert.equal(row(given, "share of the machine's limit for Q8_0").measured, "33 % (100 of 300 GFLOP/s)");
  assert.deepEqual(row(given, "a request of texts beside ten pages").measured, "3.00 ×");
});

test("a state from disk is compared without its query", () => {
  const given = results(complete);
  const { what, model, date, commit, run, seconds, left, facts } = /** @type {Measured} */ (given.trials["full/ten"]);
  const set = { name: "4 × 128", documents: 4, documentTokens: 128, bytes: 1, dropped: true };
  const times = { computed: statistics([9]), disk: statistics([1.2]), memory: statistics([1]) };
  given.trials["full/states"] = {
    ...{ what, model, date, commit, run, seconds, left, facts },
    result: { kind: "states", sets: [{ ...set, ...times }] },
  };
  const { measured, met } = row(given, "state of a document of 128 tokens from disk");
  assert.deepEqual([measured, met], ["40 × (2000 ms, 50.0 ms)", true]);
  assert.equal(row(given, "state of a document of 512 tokens").measured, "not run");
});

test("a claim is the ratio of medians, over the faster of the rivals", () => {
  const cold = row(results(complete), "cold, 10 × 128");
  assert.equal(cold.measured, "1.30 × (over llama-server)");
  assert.equal(cold.met, true);
  assert.equal(row(results({ ...complete, "llama-server-10": sample(24, 3) }), "cold, 10 × 128").met, false);
});

test("the share of the limit is the model's arithmetic over the measured product", () => {
  // 1500 tokens × 2 GFLOP in 16 s.
  const share = row(results(complete), "share of the machine");
  assert.equal(share.measured, "94 % (188 of 200 GFLOP/s, f16)");
  assert.equal(share.met, true);
});

test("a claim is met by what was asked for, or more", () => {
  assert.equal(row(results(complete), "warm over our own cold").met, true);
  assert.equal(row(results({ ...complete, file: sample(20, 5) }), "warm over our own cold").met, false);
});

test("a claim whose trial was not run is neither met nor missed", () => {
  const missing = row(results(complete), "64 clients");
  assert.deepEqual([missing.measured, missing.met], ["not run", undefined]);
});

test("a rival with different scores is not compared", () => {
  const wrong = { ...sample(1), agrees: false, difference: 0.7 };
  const cold = row(results({ ...complete, "llama-server": wrong }), "cold, 10 × 128");
  assert.deepEqual([cold.measured, cold.met], ["llama-server scored differently, by 0.700", undefined]);
});

/**
 * A run of the trial "gpu-128".
 *
 * @param {Record<string, DocumentsSample>} ten
 * @param {Record<string, DocumentsSample>} hundred
 * @returns {Results}
 */
function cardResults(ten, hundred) {
  const given = results(ten);
  const trial = given.trials["full/ten"];
  if (trial?.result.kind !== "documents") throw new Error("not a trial of documents");
  const [set] = trial.result.sets;
  if (!set) throw new Error("a trial without documents");
  const sets = [set, { ...set, tokens: 15_000, drivers: hundred }];
  const facts = { transformers: { bf16MatmulTflops: 600 } };
  return { ...given, trials: { "full/gpu-128": { ...trial, facts, result: { ...trial.result, sets } } } };
}

const ownWeights = { ...sample(0.2), difference: null };
const onCard = () =>
  cardResults(
    { "auto-uncached": sample(0.012), "llama-server-32": sample(0.03), transformers: ownWeights },
    {
      ...{ auto: sample(0.1, 0.01), "auto-uncached": sample(0.08) },
      ...{ "llama-server-32": sample(0.06), transformers: ownWeights },
    },
  );

/** @type {Probe} */
const probe = {
  device: "a card",
  torch: "2.11.0",
  products: [
    { name: "qkv", inputs: 1000, outputs: 2000, rows: 2048, bf16: 300e12, fp8: 400e12 },
    { name: "down", inputs: 2000, outputs: 1000, rows: 2048, bf16: 600e12, fp8: null },
    { name: "down", inputs: 2000, outputs: 1000, rows: 160, bf16: 1e12, fp8: null },
  ],
  siluUp: { rows: 8192, seconds: 0.00021 },
  copies: [{ bytes: 65536, memory: "pinned", direction: "to the card", seconds: 0.00001 }],
  deviceBandwidth: 3.01e12,
};

test("a run on a GPU has claims of its own", () => {
  const rows = readRows(onCard(), "full").filter(({ what }) => !/512|compiled|vllm/.test(what));
  assert.deepEqual(
    rows.map(({ measured, met }) => [measured, met]),
    [
      ["1250 (pairs of 150 tokens)", false],
      ["1000 (pairs of 150 tokens)", undefined],
      ["10000 (pairs of 150 tokens)", true],
      ["1250 (pairs of 150 tokens)", true],
      ["12.0 ms", false],
      ["12.0 ms", true],
      ["the probe was not run", undefined],
      ["2.50 ×", true],
      ["16.67 ×", true],
      ["0.75 ×", false],
      ["2.50 ×", true],
      // 15,000 tokens × 2 GFLOP in 80 ms.
      ["63 % (375 of 600 TFLOP/s)", undefined],
    ],
  );
});

test("a claim about a GPU says what it stands on, if anything is asked", () => {
  for (const { asked, standsOn } of readRows(onCard(), "full")) assert.equal(standsOn !== undefined, asked !== "–");
  assert.match(report(onCard(), "full", [], "A card"), /\| what is asked stands on \|/);
});

test("a rival that could not run says why", () => {
  const given = onCard();
  const trial = given.trials["full/gpu-128"];
  assert.ok(trial);
  trial.left.vllm = "vLLM is not installed";
  assert.equal(row(given, "10 × 128 tokens, over vllm").measured, "not measured: vLLM is not installed");
});

test("what torch reaches on a card is a limit in the claims, and a table of the page", () => {
  const given = { ...onCard(), probe };
  // 2 GFLOP a token at 400 TFLOP/s, as the two products take 2 : 1 of the time; 15,000 tokens are 100 pairs.
  assert.equal(row(given, "pairs a second that torch's bf16 products").measured, "1333");
  const page = report(given, "full", [], "A card");
  assert.match(page, /a card, torch 2\.11\.0, medians\. A copy on the card: 3010 GB\/s/);
  assert.ok(page.includes("| qkv | 1000 → 2000 | 2048 | 300 | 400 |"));
  assert.ok(page.includes("| down | 2000 → 1000 | 2048 | 600 | – |"));
  assert.ok(page.includes("| to the card | pinned | 65536 | 10.0 | 6.6 |"));
  assert.ok(!report(onCard(), "full", [], "A card").includes("in torch"));
});

test("a batch's times are read from the engine's log, and the page has their medians", () => {
  const line = (/** @type {number} */ compute) =>
    `batch of 1536 rows: 100 us to plan it, 500 us to build its graph, 400 us to fill its inputs, ${compute} us to compute it, 50 us to give its scores`;
  const batches = [15_000, 17_000, 16_000].map((compute) => batchTimes(line(compute)) ?? assert.fail("not read"));
  assert.deepEqual(batches[0], { rows: 1536, before: 0.001, compute: 0.015, after: 0.00005 });
  assert.equal(batchTimes("llama.cpp says something else"), undefined);
  const given = results({ file: { ...sample(1, 1), split: { cold: split(batches) } } });
  assert.ok(report(given, "full", [], "A run").includes("| 10 × 128 | jina-reranker | first | 3 | 1536 | 1.00 | 16.00 | 0.05 |"));
});

test("median and root mean square are computed as defined", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.throws(() => median([]), /no median of nothing/);
  assert.equal(rootMeanSquare([1, 2], [4, 6]), Math.sqrt(12.5));
  assert.ok(Number.isNaN(rootMeanSquare([1, Number.NaN], [1, 1])));
});

test("trials name existing drivers, and the names of a model's trials are unique", () => {
  const known = drivers.map(({ name }) => name);
  for (const plan of Object.values(plans)) {
    const keys = plan.map(({ model, trial }) => `${model}/${trial.name}`);
    assert.equal(new Set(keys).size, keys.length);
    for (const { trial } of plan)
      assert.deepEqual(
        trial.drivers.filter((name) => !known.includes(name)),
        [],
      );
  }
});
