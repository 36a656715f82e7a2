/** Measures how fast this machine computes a model in each precision, on a few of its layers and with the engine itself. */

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Engine, EngineOptions } from "../../binding.js";
import { RerankError } from "../errors.js";
import { cacheDirectory } from "../files/cache-folder.js";
import { unfinishedPath } from "../files/write-atomically.js";
import { loadAddon } from "../native/addon.js";
import type { Precision } from "../types.js";
import { convertedBytes, freeBytes } from "./converted.js";
import type { Converted, PerPrecision } from "./weights.js";

const layers = 4;
const rounds = 5;
const documents = 4;
const wordsPerDocument = 60;
const words = ["river", "stone", "machine", "learning", "paper", "house", "green", "coffee", "winter", "signal"];

/** Tokens per second through these layers. Only the order and the ratios mean something for the whole model. */
export async function timeCandidates(
  options: EngineOptions,
  names: readonly Converted[],
  onProgress: (fraction: number) => void,
): Promise<PerPrecision> {
  const directory = unfinishedPath(join(timingDirectory(), "probe"));
  const path = (name: Precision) => join(directory, `${name}.gguf`);
  const extract = (name: Precision) =>
    loadAddon().binding.quantize(options.modelPath, path(name), name, { threads: options.threads, layers, keepEmbeddings: true });
  const ratios: Partial<Record<Precision, number>> = {};
  let own = 0;
  await requireRoom(options, directory);
  try {
    await extract("file");
    for (const [index, name] of names.entries()) {
      await extract(name);
      const pair = await compare({ ...options, modelPath: path("file") }, { ...options, modelPath: path(name) });
      await rm(path(name));
      own = Math.max(own, pair.own);
      ratios[name] = pair.ratio;
      onProgress((index + 1) / names.length);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  const rates = Object.entries(ratios).map(([name, ratio]) => [name, ratio * own]);
  return { file: own, ...Object.fromEntries(rates) };
}

/** The folder of the records, and of the model's parts while they are measured. */
export function timingDirectory(): string {
  return join(cacheDirectory(), "precision");
}

/** Two parts of the model lie there at a time: the file's own and a converted one, of 16 bits a weight at most. */
async function requireRoom({ modelPath }: EngineOptions, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const { layers: all, embeddingBytes } = loadAddon().binding.inspect(modelPath);
  const needed = 2 * embeddingBytes + (2 * (convertedBytes(modelPath, "f16") - embeddingBytes) * layers) / Math.max(layers, all);
  const free = await freeBytes(directory);
  if (needed <= free) return;
  await rm(directory, { recursive: true, force: true });
  throw new RerankError("disk_full", `timing needs ${Math.ceil(needed)} bytes, ${free} are free in ${directory}`);
}

/** The file's best rate, and the median of the ratios. The two take turns, so that other load on the machine slows both. */
async function compare(file: EngineOptions, other: EngineOptions): Promise<{ own: number; ratio: number }> {
  const engines: Engine[] = [];
  try {
    for (const { vision, ...options } of [file, other]) {
      engines.push(await loadAddon().binding.Engine.load({ ...options, documentCacheBytes: 0, scoreCacheBytes: 0 }));
    }
    const [ownRates, ratios]: [number[], number[]] = [[], []];
    // The first round does not count: it fills buffers.
    for (let round = 0; round <= rounds; round++) {
      const [own = 0, candidate = 0] = await inTurns(engines, round);
      if (round === 0) continue;
      ownRates.push(own);
      ratios.push(candidate / own);
    }
    return { own: Math.max(...ownRates), ratio: ratios.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0 };
  } finally {
    await Promise.all(engines.map((engine) => engine.close()));
  }
}

async function inTurns(engines: readonly Engine[], round: number): Promise<number[]> {
  const rates: number[] = [];
  for (const engine of engines) rates.push(await score(engine, round));
  return rates;
}

async function score(engine: Engine, round: number): Promise<number> {
  const texts = Array.from({ length: documents }, (_, index) => pseudoText(round * documents + index));
  const { computedTokens, computeMs } = await engine.submit({ query: "a question", documents: texts }).result;
  return (computedTokens / computeMs) * 1000;
}

function pseudoText(seed: number): string {
  return Array.from({ length: wordsPerDocument }, (_, index) => words[(index * (seed + 3) + seed) % words.length]).join(" ");
}
