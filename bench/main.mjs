/**
 * The benchmark harness's command line: runs the trials of a plan, writes the results after each, and writes the report.
 *
 *     npm run bench -- [--quick] [--trials ten,long] [--drivers file,auto] [--resume] [--only-table] [--threads N]
 *
 * --probe names the file of bench/gpu/probe.py, if there is one.
 */

import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { native } from "../dist/native/index.js";
import { Bench } from "./bench.mjs";
import { Corpus } from "./corpus.mjs";
import { drivers } from "./drivers/index.mjs";
import * as beside from "./kinds/beside.mjs";
import * as clients from "./kinds/clients.mjs";
import * as documents from "./kinds/documents.mjs";
import * as startup from "./kinds/startup.mjs";
import * as states from "./kinds/states.mjs";
import { commit, deviceName, machine } from "./machine.mjs";
import { ensureModel, modelFacts, shapeOf } from "./models.mjs";
import { circumstances, claimsTable, report } from "./report.mjs";
import { readRows } from "./rows.mjs";
import { plans } from "./trials.mjs";

/** @import { Measured, Results, Trial, TrialResult } from "./types.js" */
/** @import { Planned } from "./trials.mjs" */

const here = dirname(fileURLToPath(import.meta.url));
const log = (/** @type {string} */ line) => process.stderr.write(`${line}\n`);

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    plan: { type: "string" },
    trials: { type: "string" },
    drivers: { type: "string" },
    resume: { type: "boolean", default: false },
    "only-table": { type: "boolean", default: false },
    threads: { type: "string", default: "0" },
    "n-gpu-layers": { type: "string", default: "0" },
    probe: { type: "string" },
    out: { type: "string" },
  },
});

/**
 * @param {string} flag
 * @param {string | undefined} given
 * @param {readonly string[]} known
 */
function names(flag, given, known) {
  const list = given?.split(",").map((name) => name.trim());
  const unknown = list?.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${flag}: expected some of ${known.join(", ")}, got ${unknown}`);
  return list;
}

/**
 * @param {string} flag
 * @param {string} given
 */
function wholeNumber(flag, given) {
  if (!/^\d+$/.test(given)) throw new Error(`${flag}: expected a whole number, got ${given}`);
  return Number(given);
}

/**
 * @param {string} name
 * @returns {name is keyof typeof plans}
 */
const isPlan = (name) => Object.hasOwn(plans, name);

/** @param {string} text */
const fileName = (text) => text.replace(/[^\w.]+/g, "-").replace(/^-|-$/g, "");

/**
 * @param {Trial} trial
 * @param {Bench} bench
 * @returns {Promise<TrialResult>}
 */
async function measure(trial, bench) {
  switch (trial.kind) {
    case "documents":
      return documents.run(trial, bench);
    case "clients":
      return clients.run(trial, bench);
    case "beside":
      return beside.run(trial, bench);
    case "pages":
      // Imported here, because only this needs sharp, which the archive for GPU machines lacks.
      return (await import("./kinds/pages.mjs")).run(trial, bench);
    case "states":
      return states.run(trial, bench);
    case "startup":
      return startup.run(trial, bench);
    case "overhead":
      // Imported here, because only this needs autocannon, which the archive for GPU machines lacks.
      return (await import("./kinds/overhead.mjs")).run(trial, bench);
  }
}

/**
 * @param {string} path
 * @returns {Results}
 */
function readResults(path) {
  const present = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
  // A file tells of the machine that it was begun on. Trials that are added elsewhere have their own.
  return { machine: machine(), llamaCpp: native.version().llamaCpp, models: {}, trials: {}, ...present };
}

/**
 * Runs the trials of one model in the plan's order.
 *
 * @param {Planned["model"]} model
 * @param {readonly Trial[]} trials
 * @param {Results} results
 * @param {{ run: string, seed: number, save: () => void }} session
 */
async function runTrials(model, trials, results, { run, seed, save }) {
  const files = await ensureModel(model, log);
  const corpus = await Corpus.open(files, seed);
  try {
    results.models[model] = await modelFacts(model, files.modelPath, corpus.info);
    const options = {
      threads: wholeNumber("--threads", flags.threads),
      gpuLayers: wholeNumber("--n-gpu-layers", flags["n-gpu-layers"]),
    };
    const only = names(
      "--drivers",
      flags.drivers,
      drivers.map(({ name }) => name),
    );
    for (const trial of trials) {
      log(`\n== ${model}/${trial.name}: ${trial.what}`);
      const started = performance.now();
      const bench = new Bench({ corpus, model: { ...files, shape: shapeOf(model, corpus.info) }, options, only, log });
      try {
        const result = await measure(trial, bench);
        /** @type {Measured} */
        const measured = {
          what: trial.what,
          model,
          date: new Date().toISOString().slice(0, 10),
          commit: commit(),
          run,
          seconds: (performance.now() - started) / 1000,
          left: bench.left,
          facts: bench.facts,
          ...(!isDeepStrictEqual(machine(), results.machine) && { machine: machine() }),
          result,
        };
        results.trials[`${model}/${trial.name}`] = measured;
      } catch (error) {
        bench.kill();
        throw error;
      }
      await bench.end();
      save();
    }
  } finally {
    await corpus.close();
  }
}

/**
 * @param {Results} results
 * @param {string} model
 * @param {{ folder: string, page: string, title: string }} where
 */
async function writeReport(results, model, { folder, page, title }) {
  /** @type {import("./plots.mjs").Plot[]} */
  let drawn = [];
  try {
    drawn = (await import("./plots.mjs")).plots(results);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND")) throw error;
    log(`no plots: ${error.message}`);
  }
  for (const { file, svg } of drawn) writeFileSync(join(folder, file), svg);
  writeFileSync(page, report(results, model, drawn, title));
}

/** The claims that README shows; RESULTS.md has all. */
const readmeClaims = [
  "cold, 10 × 128 tokens, PRECISION=file, over llama-server's embedding route",
  "warm over our own cold, 10 × 128 tokens, 12-token query",
  "warm, 100 documents of 64 tokens, over llama-server with 10 slots",
  "3-document request beside 100-document ones: its latency over running alone",
  "HTTP's share on the small model, 10 documents, p50",
];

/**
 * Writes these claims into README.
 *
 * @param {Results} results
 * @param {string} model
 */
function writeReadme(results, model) {
  const path = join(here, "..", "README.md");
  const readme = readFileSync(path, "utf8");
  const markers = /(<!-- bench:begin -->\n)[\s\S]*?(<!-- bench:end -->)/;
  if (!markers.test(readme)) throw new Error("README.md has no markers bench:begin and bench:end");
  const where = "All claims, every trial, and plots: [bench/RESULTS.md](bench/RESULTS.md).";
  const text = `${claimsTable(results, model, readmeClaims)}\n\nMeasured on ${circumstances(results, model)} ${where}\n`;
  writeFileSync(
    path,
    readme.replace(markers, (_, begin, end) => `${begin}${text}${end}`),
  );
}

async function main() {
  const name = flags.quick ? "quick" : (flags.plan ?? "full");
  if (!isPlan(name)) throw new Error(`--plan: expected one of ${Object.keys(plans).join(", ")}, got ${name}`);
  const plan = plans[name];
  const claimed = plan[0]?.model ?? "full";
  const asked = names("--trials", flags.trials, [...new Set(plan.map(({ trial }) => trial.name))]);
  // Only the full run's results are kept in the repository.
  const folder = flags.out ?? (name === "full" ? join(here, "results") : join(here, "build", name, "results"));
  const page = join(folder, "..", "RESULTS.md");
  mkdirSync(folder, { recursive: true });
  // Each card has a file of its own, so that cards can be compared.
  const where = name.startsWith("gpu")
    ? `-${fileName(deviceName(wholeNumber("--n-gpu-layers", flags["n-gpu-layers"]) > 0))}`
    : "";
  const path = join(folder, `${name}${where}.json`);
  if (!flags.resume && !flags["only-table"] && !asked) rmSync(path, { force: true });
  const results = readResults(path);
  if (flags.probe !== undefined && existsSync(flags.probe)) results.probe = JSON.parse(readFileSync(flags.probe, "utf8"));
  const save = () => writeFileSync(path, `${JSON.stringify(results, null, 1)}\n`);

  if (!flags["only-table"]) {
    const previous = flags.resume ? Object.values(results.trials).at(-1) : undefined;
    const session = { run: previous?.run ?? randomUUID(), seed: Date.now() % 2 ** 31, save };
    const left = plan.filter(
      ({ model, trial }) =>
        (!asked || asked.includes(trial.name)) && !(flags.resume && results.trials[`${model}/${trial.name}`] !== undefined),
    );
    for (const model of new Set(left.map((planned) => planned.model))) {
      const trials = left.filter((planned) => planned.model === model).map(({ trial }) => trial);
      await runTrials(model, trials, results, session);
    }
  }
  await writeReport(results, claimed, { folder, page, title: name === "full" ? "Benchmarks" : `Benchmarks, plan ${name}` });
  if (name === "full") writeReadme(results, claimed);
  process.stdout.write(`${claimsTable(results, claimed)}\n`);
  const failed = readRows(results, claimed).filter(({ met }) => met === false).length;
  log(`\n${page}${failed > 0 ? `; ${failed} rows are not met` : ""}`);
}

try {
  await main();
} catch (error) {
  log(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
}
