/**
 * What the document cache gives: the same documents scored with a first query and with new ones, in one process a mode.
 * Writes bench/results/document-cache-<model>.json and the table between README's bench-cache markers.
 *
 *     node bench/document-cache.mjs [--model full|small]
 */

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ensureModel } from "./models.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values: flags } = parseArgs({ options: { model: { type: "string", default: "full" } } });
const words = "search engine rank document query learn machine model data token score weather river mountain book paper".split(
  " ",
);
const text = (count, seed) =>
  Array.from({ length: count }, (_, index) => words[(index * 7 + seed * 3 + index * index * (seed + 1)) % words.length]).join(
    " ",
  );
const queries = [
  "how do machines learn to rank?",
  "which river has a city?",
  "what is a search engine?",
  "where is the weather data?",
];
const trials = [
  { documents: 10, words: 115 },
  { documents: 4, words: 500 },
];

const files = await ensureModel(flags.model);
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const rows = [];
let info;
for (const { documents: count, words: length } of trials) {
  const documents = Array.from({ length: count }, (_, index) => text(length, index));
  for (const reproducible of ["exact", "fast"]) {
    const input = JSON.stringify({ options: { ...files, gpuLayers: 0, reproducible }, documents, queries });
    const command = [join(here, "document-cache-rounds.mjs")];
    const run = JSON.parse(execFileSync(process.execPath, command, { input, encoding: "utf8", maxBuffer: 1 << 24 }));
    info = run.info;
    const [cold, ...warm] = run.rounds;
    const warmSeconds = median(warm.map(({ seconds }) => seconds));
    rows.push({
      documents: count,
      tokensPerPair: Math.round(cold.tokens / count),
      reproducible,
      coldSeconds: cold.seconds,
      warmSeconds,
      warmLowest: Math.min(...warm.map(({ seconds }) => seconds)),
      warmHighest: Math.max(...warm.map(({ seconds }) => seconds)),
      reusedShare: warm[0].reused / warm[0].tokens,
      cacheBytes: run.cacheBytes,
    });
    const row = rows.at(-1);
    process.stderr.write(`${JSON.stringify(row)}\n`);
  }
}
const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: here, encoding: "utf8" }).trim();
const machine = { cpu: cpus()[0]?.model.trim(), threads: info.threads };
const result = { date: new Date().toISOString().slice(0, 10), commit, machine, model: info.description, rows };
writeFileSync(join(here, "results", `document-cache-${flags.model}.json`), `${JSON.stringify(result, null, 2)}\n`);

if (flags.model === "full") {
  const table = [
    `New queries over the same documents, same model and machine, ${result.date}; the median of ${queries.length - 1} queries after the first`,
    "(`node bench/document-cache.mjs`):",
    "",
    "| documents | tokens a pair | mode | first query | next queries | ratio | kept in memory |",
    "|---:|---:|---|---:|---:|---:|---:|",
    ...rows.map(
      (row) =>
        `| ${row.documents} | ${row.tokensPerPair} | ${row.reproducible} | ${row.coldSeconds.toFixed(2)} s | ${row.warmSeconds.toFixed(2)} s | ${(row.coldSeconds / row.warmSeconds).toFixed(1)} × | ${(row.cacheBytes / 1e6).toFixed(0)} MB |`,
    ),
  ].join("\n");
  const path = join(here, "../README.md");
  const readme = readFileSync(path, "utf8");
  const updated = readme.replace(/(<!-- bench-cache:begin -->)[\s\S]*?(<!-- bench-cache:end -->)/, `$1\n${table}\n$2`);
  if (!updated.includes(table)) throw new Error("README has no bench-cache markers");
  writeFileSync(path, updated);
}
