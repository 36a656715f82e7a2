/** Draws a report's plots as SVG with ECharts, without a browser. */

import * as echarts from "echarts";
import { driverNamed } from "./drivers/index.mjs";

/** @import { DocumentsResult, Measured, Results } from "./types.js" */

/** @typedef {{ file: string, title: string, svg: string }} Plot */

const width = 860;

/**
 * @param {string} file
 * @param {string} title
 * @param {number} height
 * @param {import("echarts").EChartsCoreOption} option
 * @returns {Plot}
 */
function draw(file, title, height, option) {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: { text: title, left: 12, top: 8, textStyle: { fontSize: 15 } },
    ...option,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return { file, title, svg };
}

const label = (/** @type {string} */ driver) => driverNamed(driver).label;

/**
 * A bar for each driver, the fastest on top, and a line at the machine's limit if it was measured.
 *
 * @param {string} file
 * @param {string} title
 * @param {DocumentsResult} result
 * @param {number} flopPerToken
 */
function coldBars(file, title, result, flopPerToken) {
  const [set] = result.sets;
  if (!set) return [];
  const bars = Object.entries(set.drivers)
    .filter(([, { agrees }]) => agrees)
    .map(([driver, { cold }]) => ({ name: label(driver), rate: set.tokens / cold.median }))
    .sort((a, b) => a.rate - b.rate);
  const limit = result.limit && result.limit.median / flopPerToken;
  return [
    draw(file, title, 120 + 36 * bars.length, {
      grid: { left: 240, right: 70, top: 60, bottom: 40 },
      xAxis: { type: "value", name: "tokens/s", nameLocation: "middle", nameGap: 24, max: limit && Math.ceil(limit * 1.05) },
      yAxis: { type: "category", data: bars.map(({ name }) => name) },
      series: [
        {
          type: "bar",
          data: bars.map(({ rate }) => Number(rate.toFixed(1))),
          label: { show: true, position: "insideRight" },
          ...(limit && {
            markLine: {
              symbol: "none",
              data: [{ xAxis: limit }],
              label: { formatter: "matrix product" },
              lineStyle: { color: "#c23531" },
            },
          }),
        },
      ],
    }),
  ];
}

/**
 * Seconds of the first query and of the next ones, on a logarithmic axis.
 *
 * @param {string} file
 * @param {string} title
 * @param {readonly DocumentsResult[]} results
 */
function warmBars(file, title, results) {
  const bars = results.flatMap(({ sets }) =>
    sets.flatMap((set) =>
      Object.entries(set.drivers).flatMap(([driver, { cold, warm, agrees }]) =>
        warm && agrees ? [{ name: `${set.name}, ${label(driver)}`, cold: cold.median, warm: warm.median }] : [],
      ),
    ),
  );
  if (bars.length === 0) return [];
  bars.reverse();
  const smallest = Math.min(...bars.map(({ warm }) => warm));
  const series = (/** @type {"cold" | "warm"} */ key, /** @type {string} */ name) => ({
    type: "bar",
    name,
    data: bars.map((bar) => Number(bar[key].toPrecision(3))),
    label: { show: true, position: "right" },
  });
  return [
    draw(file, title, 130 + 52 * bars.length, {
      legend: { top: 34, left: 12 },
      grid: { left: 330, right: 60, top: 70, bottom: 40 },
      xAxis: { type: "log", min: 10 ** Math.floor(Math.log10(smallest)), name: "seconds", nameLocation: "middle", nameGap: 24 },
      yAxis: { type: "category", data: bars.map(({ name }) => name) },
      series: [series("warm", "next queries"), series("cold", "first query")],
    }),
  ];
}

/**
 * Tokens a second, by the number of tokens in a request.
 *
 * @param {string} file
 * @param {string} title
 * @param {DocumentsResult} result
 */
function lengthLines(file, title, result) {
  const drivers = [...new Set(result.sets.flatMap((set) => Object.keys(set.drivers)))];
  return [
    draw(file, title, 380, {
      legend: { top: 34, left: 12 },
      grid: { left: 60, right: 30, top: 80, bottom: 45 },
      xAxis: { type: "log", name: "tokens in a request", nameLocation: "middle", nameGap: 26, min: 10 },
      yAxis: { type: "value", name: "tokens/s" },
      series: drivers.map((driver) => ({
        type: "scatter",
        name: label(driver),
        data: result.sets.flatMap((set) => {
          const sample = set.drivers[driver];
          return sample?.agrees ? [[set.tokens, Number((set.tokens / sample.cold.median).toFixed(1))]] : [];
        }),
      })),
    }),
  ];
}

/**
 * @param {Results} results
 * @returns {Plot[]}
 */
export function plots({ trials, models }) {
  const documents = (/** @type {string} */ key) => {
    const result = trials[key]?.result;
    return result?.kind === "documents" ? result : undefined;
  };
  return Object.values(models).flatMap(({ name, flopPerToken }) => {
    const ten = documents(`${name}/ten`);
    const warm = ["ten", "long", "hundred"].flatMap((trial) => documents(`${name}/${trial}`) ?? []);
    const lengths = ["lengths", "grid"].map((trial) => ({ trial, result: documents(`${name}/${trial}`) }));
    return [
      ...(ten ? coldBars(`${name}-cold.svg`, `Cold: 10 documents of 128 tokens, ${name} model`, ten, flopPerToken) : []),
      ...warmBars(`${name}-warm.svg`, `New queries over the same documents, ${name} model`, warm),
      ...lengths.flatMap(({ trial, result }) =>
        result ? lengthLines(`${name}-${trial}.svg`, `Cold, by the tokens of a request, ${name} model`, result) : [],
      ),
    ];
  });
}
