/**
 * The engine against llama.cpp's own embedding mode: same file, threads and token ids, interleaved in one run, a process
 * for each measurement. Writes bench/results/embedding-mode.json and the table between README's bench markers.
 *
 *     node bench/embedding-mode.mjs [--model full|small] [--repeats 3]
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readScoreHead } from "../dist/model/head.js";
import { native } from "../dist/native.js";
import { ensureModel } from "./models.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values: flags } = parseArgs({
  options: { model: { type: "string", default: "full" }, repeats: { type: "string", default: "3" } },
});
const query = "how do machines learn to rank documents?";
const wordsPerDocument = 84;
const documentCount = 4;
const rounds = 2;
const words = "search engine rank document query learn machine model data token score weather river mountain book paper".split(
  " ",
);
const documents = Array.from({ length: documentCount }, (_, document) =>
  Array.from({ length: wordsPerDocument }, (_, index) => words[(index * 7 + document * 3 + index * index) % words.length]).join(
    " ",
  ),
);

const files = await ensureModel(flags.model);
const work = mkdtempSync(join(tmpdir(), "jina-reranker-bench-"));

/** Token ids of every pair, as the engine scores them. */
async function writeTokens(path) {
  const head = await readScoreHead(files.headPath);
  const engine = await native.Engine.load({
    modelPath: files.modelPath,
    head,
    contextSize: 1024,
    batchTokens: 512,
    backend: "cpu",
    gpuLayers: 0,
    threads: 0,
    reproducible: "fast",
    flashAttention: "auto",
    kvType: "f16",
    maxQueuedPairs: 100,
    documentCacheBytes: 0,
    scoreCacheBytes: 0,
    deduplicate: true,
  });
  const pairs = documents.map((document) => engine.tokenizePair(query, document).tokens.join(" "));
  const { info } = engine;
  await engine.close();
  writeFileSync(path, `${pairs.join("\n")}\n`);
  return info;
}

function engineRound(reproducible, info) {
  const input = JSON.stringify({
    options: { ...files, contextSize: 8192, gpuLayers: 0, documentCacheMb: 0, reproducible, threads: info.threads },
    query,
    documents,
    rounds,
  });
  return JSON.parse(
    execFileSync(process.execPath, [join(here, "engine-rounds.mjs")], { input, encoding: "utf8", maxBuffer: 1 << 24 }),
  );
}

function embeddingRound(tokensPath, info) {
  const program = join(here, "../build/Release/embedding-mode");
  const args = [join(here, "../build/Release"), files.modelPath, tokensPath, String(info.threads), "512", String(rounds)];
  return JSON.parse(execFileSync(program, args, { encoding: "utf8" }));
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

try {
  const tokensPath = join(work, "tokens.txt");
  const info = await writeTokens(tokensPath);
  const tokens = readFileSync(tokensPath, "utf8").trim().split(/\s+/).length;
  const drivers = {
    "llama.cpp, embedding mode": () => embeddingRound(tokensPath, info),
    "jina-reranker, exact (default)": () => engineRound("exact", info),
    "jina-reranker, fast": () => engineRound("fast", info),
  };
  const measured = Object.fromEntries(Object.keys(drivers).map((name) => [name, { seconds: [], peakBytes: 0 }]));
  for (let repeat = 0; repeat < Number(flags.repeats); repeat++) {
    for (const [name, drive] of Object.entries(drivers)) {
      const { seconds, peakBytes } = drive();
      // The first round of a process also reads the file and fills buffers.
      measured[name].seconds.push(...seconds.slice(1));
      measured[name].peakBytes = Math.max(measured[name].peakBytes, peakBytes);
      process.stderr.write(
        `${name}: ${seconds.map((value) => (tokens / value).toFixed(1)).join(", ")} tokens/s, peak ${(peakBytes / 1e6).toFixed(0)} MB\n`,
      );
    }
  }
  const base = median(measured["llama.cpp, embedding mode"].seconds);
  const rows = Object.entries(measured).map(([name, { seconds, peakBytes }]) => ({
    name,
    tokensPerSecond: tokens / median(seconds),
    lowest: tokens / Math.max(...seconds),
    highest: tokens / Math.min(...seconds),
    ratio: base / median(seconds),
    peakBytes,
  }));
  const result = {
    date: new Date().toISOString().slice(0, 10),
    commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: here, encoding: "utf8" }).trim(),
    machine: { cpu: cpus()[0]?.model.trim(), threads: info.threads, features: native.backends().cpuFeatures },
    llamaCpp: native.version().llamaCpp,
    model: { name: flags.model, description: info.description, fileBytes: statSync(files.modelPath).size },
    trial: { documents: documentCount, tokens, batchTokens: 512, repeats: Number(flags.repeats) },
    rows,
  };
  writeFileSync(join(here, "results", `embedding-mode-${flags.model}.json`), `${JSON.stringify(result, null, 2)}\n`);
  writeReadme(result);
} finally {
  rmSync(work, { recursive: true, force: true });
}

function writeReadme({ machine, llamaCpp, model, trial, rows, date }) {
  if (model.name !== "full") return;
  const table = [
    `${trial.documents} documents, ${trial.tokens} tokens in all, random weights of the model's shape in Q4_K_M (${(model.fileBytes / 1e6).toFixed(0)} MB),`,
    `${machine.cpu}, ${machine.threads} threads, AVX2 build, llama.cpp ${llamaCpp}, ${date}; medians of one interleaved run`,
    "(`node bench/embedding-mode.mjs`):",
    "",
    "| | tokens/s | lowest to highest | ratio | peak memory |",
    "|---|---:|---:|---:|---:|",
    ...rows.map(
      (row) =>
        `| ${row.name} | ${row.tokensPerSecond.toFixed(1)} | ${row.lowest.toFixed(1)} to ${row.highest.toFixed(1)} | ${row.ratio.toFixed(2)} × | ${(row.peakBytes / 1e6).toFixed(0)} MB |`,
    ),
  ].join("\n");
  const path = join(here, "../README.md");
  const readme = readFileSync(path, "utf8");
  const updated = readme.replace(/(<!-- bench:begin -->)[\s\S]*?(<!-- bench:end -->)/, `$1\n${table}\n$2`);
  if (updated === readme && !readme.includes(table)) throw new Error("README has no bench markers");
  writeFileSync(path, updated);
}
