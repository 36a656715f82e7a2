/** Writes the results as a page: first the claims, then the measurements of each trial. */

import { driverNamed } from "./drivers/index.mjs";
import { readRows, stateSeconds } from "./rows.mjs";

/** @import { DocumentsResult, Machine, Probe, Results, Split, Statistics, TrialResult } from "./types.js" */
/** @import { Plot } from "./plots.mjs" */

const label = (/** @type {string} */ driver) => driverNamed(driver).label;
const limitOf = (/** @type {string} */ type) =>
  type === "int8" ? "multiplications of bytes in registers" : `a large ${type} matrix product in ggml`;
const seconds = (/** @type {number} */ value) => `${value < 0.1 ? value.toFixed(4) : value.toFixed(value < 10 ? 3 : 2)} s`;

/** @param {Statistics} statistics */
function spread({ median, lowest, highest, samples }) {
  return samples.length === 1 ? seconds(median) : `${seconds(median)} (${seconds(lowest)} to ${seconds(highest)})`;
}

/**
 * @param {readonly string[]} header A cell that ends with ":" is aligned to the right.
 * @param {readonly (readonly string[])[]} rows
 */
function table(header, rows) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(" | ")} |`;
  const align = header.map((cell) => (cell.endsWith(":") ? "---:" : "---"));
  return [line(header.map((cell) => cell.replace(/:$/, ""))), line(align), ...rows.map(line)].join("\n");
}

/**
 * The claims as a table: all, or the named ones.
 *
 * @param {Results} results
 * @param {string} model
 * @param {readonly string[]} [names]
 */
export function claimsTable(results, model, names) {
  const word = (/** @type {boolean | undefined} */ met) => (met === undefined ? "–" : met ? "yes" : "**no**");
  const shown = readRows(results, model).filter(({ what }) => names?.includes(what) ?? true);
  const reasoned = shown.some(({ standsOn }) => standsOn !== undefined);
  const rows = shown.map(({ what, asked, measured, met, standsOn }) => [
    ...[what, asked, measured, word(met)],
    ...(reasoned ? [standsOn ?? ""] : []),
  ]);
  return table(["what", "at least", "measured", "met", ...(reasoned ? ["what is asked stands on"] : [])], rows);
}

/**
 * Where the time of our engine's batches goes.
 *
 * @param {DocumentsResult} result
 */
function splitLines({ sets }) {
  const milliseconds = (/** @type {number} */ value) => (1000 * value).toFixed(2);
  const row = (/** @type {string[]} */ of, /** @type {Split | undefined} */ split) =>
    split
      ? [
          [
            ...[...of, String(split.batches), String(Math.round(split.rows))],
            ...[split.before, split.compute, split.after].map(milliseconds),
          ],
        ]
      : [];
  const rows = sets.flatMap(({ name, drivers }) =>
    Object.entries(drivers).flatMap(([driver, { split }]) => [
      ...row([name, label(driver), "first"], split?.cold),
      ...row([name, label(driver), "next"], split?.warm),
    ]),
  );
  if (rows.length === 0) return [];
  const columns = ["documents", "driver", "query", "batches:", "rows:", "host before, ms:", "compute, ms:", "host after, ms:"];
  return ["", "Where a batch's time goes, medians of all batches:", "", table(columns, rows)];
}

/**
 * What torch reached on the card: no rival of anybody, but what can be had.
 *
 * @param {Probe} probe
 */
function probeLines({ device, torch, products, siluUp, copies, deviceBandwidth }) {
  const teraflops = (/** @type {number | null} */ rate) => (rate === null ? "–" : (rate / 1e12).toFixed(0));
  return [
    "## What the card reaches in torch",
    "",
    `${device}, torch ${torch}, medians. ` +
      `A copy on the card: ${(deviceBandwidth / 1e9).toFixed(0)} GB/s, read and written. ` +
      `silu(gate) · up of ${siluUp.rows} rows in two kernels: ${(1000 * siluUp.seconds).toFixed(3)} ms.`,
    "",
    table(
      ["product", "shape", "rows:", "bf16, TFLOP/s:", "fp8, TFLOP/s:"],
      products.map(({ name, inputs, outputs, rows, bf16, fp8 }) => [
        ...[name, `${inputs} → ${outputs}`, String(rows)],
        ...[bf16, fp8].map(teraflops),
      ]),
    ),
    "",
    table(
      ["copy", "host memory", "bytes:", "µs:", "GB/s:"],
      copies.map(({ direction, memory, bytes, seconds: taken }) => [
        ...[direction, memory, String(bytes)],
        ...[(1e6 * taken).toFixed(1), (bytes / taken / 1e9).toFixed(1)],
      ]),
    ),
    "",
  ];
}

/** @param {Machine} machine */
const described = ({ cpu, cores, device, features }) => `${cpu}, ${cores} cores, ${device}, ${features.join(" ")}`;

/**
 * A sentence that says what was measured and on which machine.
 *
 * @param {Results} results
 * @param {string} model
 */
export function circumstances({ machine, llamaCpp, models, trials }, model) {
  const facts = models[model];
  const own = Object.entries(trials).filter(([key, trial]) => key.startsWith(`${model}/`) && !trial.machine);
  const dates = [...new Set(own.map(([, { date }]) => date))].sort().join(", ");
  const commits = [...new Set(own.map(([, { commit }]) => commit))].join(", ");
  const runs = new Set(own.map(([, { run }]) => run)).size;
  const shape = facts ? `random weights of the ${model} shape in Q4_K_M (${(facts.fileBytes / 1e6).toFixed(0)} MB)` : model;
  return (
    `${shape}; ${described(machine)}; ` +
    `llama.cpp ${llamaCpp}, commit ${commits}, ${dates}; ${runs === 1 ? "one run" : `${runs} runs`}.`
  );
}

/**
 * @param {Results} results
 * @param {TrialResult} result
 * @param {string} model
 * @returns {string[]}
 */
function resultLines(results, result, model) {
  switch (result.kind) {
    case "documents": {
      const flop = results.models[model]?.flopPerToken ?? Number.NaN;
      const rows = result.sets.flatMap((set) =>
        Object.entries(set.drivers).map(([driver, { cold, warm, difference, agrees }]) => {
          const rate = set.tokens / cold.median;
          return [
            set.name,
            String(set.tokens),
            label(driver),
            spread(cold),
            rate.toFixed(1),
            `${((rate * flop) / 1e9).toFixed(0)}`,
            ...(result.limit ? [`${((100 * rate * flop) / result.limit.median).toFixed(0)} %`] : []),
            warm ? spread(warm) : "",
            warm ? `${(cold.median / warm.median).toFixed(1)} ×` : "",
            difference === null ? "own weights" : agrees ? difference.toFixed(4) : `**${difference.toFixed(3)}**`,
          ];
        }),
      );
      const limit = result.limit
        ? [
            `The machine's limit, ${limitOf(result.limit.type)}: ${(result.limit.median / 1e9).toFixed(0)} GFLOP/s ` +
              `(${(result.limit.lowest / 1e9).toFixed(0)} to ${(result.limit.highest / 1e9).toFixed(0)}), measured in every round.`,
            "",
          ]
        : [];
      const memory = Object.entries(result.peakBytes).map(([driver, bytes]) => `${label(driver)} ${(bytes / 1e6).toFixed(0)} MB`);
      const columns = [
        "documents",
        "tokens:",
        "driver",
        "first query:",
        "tokens/s:",
        "GFLOP/s:",
        ...(result.limit ? ["of the limit:"] : []),
      ];
      return [
        ...limit,
        table([...columns, "next queries:", "ratio:", "logits differ by:"], rows),
        "",
        `Logits are compared with those of ${label(result.reference)}; up to ${result.tolerance.toFixed(3)} counts as the same work.`,
        `Peak memory: ${memory.join(", ")}.`,
        ...splitLines(result),
      ];
    }
    case "clients":
      return [
        table(
          ["driver", "clients:", "requests:", "tokens/s:", "latency, median:"],
          Object.entries(result.drivers).flatMap(([driver, levels]) =>
            levels.map(({ clients, requests, tokensPerSecond, latency }) => [
              label(driver),
              String(clients),
              String(requests),
              tokensPerSecond.median.toFixed(1),
              spread(latency),
            ]),
          ),
        ),
      ];
    case "beside":
      return [
        table(
          ["driver", "alone:", "beside:", "ratio:"],
          Object.entries(result.drivers).map(([driver, { alone, beside }]) => [
            label(driver),
            spread(alone),
            spread(beside),
            `${(beside.median / alone.median).toFixed(2)} ×`,
          ]),
        ),
      ];
    case "pages": {
      const { sets, beside, limit, mmprojBytes, peakBytes } = result;
      const rows = sets.map(({ maxTokens, width, height, tokens, flop, seconds: all, towerSeconds, modelSeconds }) => [
        String(maxTokens),
        `${width} × ${height}`,
        String(tokens),
        spread(towerSeconds),
        `${((flop.products + flop.attention) / towerSeconds.median / 1e9).toFixed(0)}`,
        spread(modelSeconds),
        spread(all),
      ]);
      return [
        table(
          [
            "tokens at most:",
            "pixels:",
            "tokens of the pair:",
            "vision tower:",
            "its GFLOP/s:",
            "language model:",
            "whole request:",
          ],
          rows,
        ),
        "",
        `A request of ${beside.tokens} tokens of text: alone ${spread(beside.alone)}, beside ten pages ${spread(beside.beside)}.`,
        `The machine's limit, ${limitOf(limit.type)}: ${(limit.median / 1e9).toFixed(0)} GFLOP/s.`,
        `A random tower of the published shape in Q8_0 (${(mmprojBytes / 1e6).toFixed(0)} MB). Peak memory: ${(peakBytes / 1e6).toFixed(0)} MB.`,
      ];
    }
    case "states":
      return [
        table(
          [
            "documents",
            "on disk, each:",
            "computed:",
            "from disk:",
            "in memory:",
            "a document computed:",
            "from disk:",
            "ratio:",
          ],
          result.sets.map((set) => {
            const { computed, disk } = stateSeconds(set);
            return [
              set.name,
              `${(set.bytes / 1e6).toFixed(2)} MB`,
              ...[set.computed, set.disk, set.memory].map(spread),
              `${(1000 * computed).toFixed(0)} ms`,
              `${(1000 * disk).toFixed(1)} ms`,
              disk > 0 ? `${(computed / disk).toFixed(0)} ×` : "–",
            ];
          }),
        ),
        "",
        "The first three times are of a request; in memory it is the query alone, which the last columns leave out.",
        result.sets.every(({ dropped }) => dropped)
          ? "The system's cache of files was emptied before states were read."
          : "States came from the system's cache of files, which this machine does not let us empty.",
      ];
    case "startup":
      return [
        table(
          ["driver", "to the first score:"],
          Object.entries(result.drivers).map(([driver, statistics]) => [label(driver), spread(statistics)]),
        ),
      ];
    case "overhead":
      return [
        table(
          ["", "p50:"],
          [
            ["library", seconds(result.library.median)],
            ["HTTP", seconds(result.http.median)],
            ["difference", seconds(result.http.median - result.library.median)],
          ],
        ),
      ];
  }
}

/**
 * @param {Results} results
 * @param {string} model The model of the claims.
 * @param {readonly Plot[]} plots
 * @param {string} title
 */
export function report(results, model, plots, title) {
  const trials = Object.entries(results.trials).flatMap(([key, measured]) => [
    `## ${key}: ${measured.what}`,
    "",
    ...resultLines(results, measured.result, measured.model),
    ...Object.entries(measured.left).map(([driver, why]) => `\nNot run: ${label(driver)}: ${why.split("\n")[0]}`),
    ...Object.entries(measured.facts).flatMap(([driver, { precision, precisionReason }]) =>
      precisionReason !== undefined && precision !== "file"
        ? [`\n${label(driver)} computed with ${precision}: ${precisionReason}.`]
        : [],
    ),
    `\nCommit ${measured.commit}, ${measured.date}, ${measured.seconds.toFixed(0)} s.`,
    ...(measured.machine ? [`\nOn another machine: ${described(measured.machine)}.`] : []),
    "",
  ]);
  return [
    `# ${title}`,
    "",
    "Generated by `npm run bench`; the numbers are in `bench/results/`. Seconds are medians, with the lowest and the highest",
    "beside them; drivers take turns, each in a process of its own, on the same documents and the same token ids. The time a",
    "rival's client needs for the score head is not counted.",
    "",
    circumstances(results, model),
    "",
    claimsTable(results, model),
    "",
    ...plots.flatMap(({ file, title: name }) => [`![${name}](results/${file})`, ""]),
    ...(results.probe ? probeLines(results.probe) : []),
    ...trials,
    "## Models",
    "",
    table(
      ["model", "sha256", "GFLOP a token:", "bytes:"],
      Object.values(results.models).map((facts) => [
        `${facts.name}: ${facts.description}`,
        `\`${facts.sha256}\``,
        (facts.flopPerToken / 1e9).toFixed(3),
        String(facts.fileBytes),
      ]),
    ),
    "",
  ].join("\n");
}
