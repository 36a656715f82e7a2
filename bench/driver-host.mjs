/**
 * The process of a driver: opens the driver and does what the harness asks over the process's channel. It measures all times
 * here, so that they do not include the transfer between processes.
 */

import { readFileSync } from "node:fs";
import { readScoreHead } from "../dist/model/head.js";
import { driverModule, driverNamed } from "./drivers/index.mjs";
import { logit } from "./score-head.mjs";

/** @import { ScoreHead } from "../binding.js" */
/** @import { Actions, Answer, BenchRequest, BesideSample, DriverSettings, OpenDriver } from "./types.js" */

const entry = driverNamed(process.argv[2] ?? "");
/** @type {{ driver: OpenDriver, head: ScoreHead } | undefined} */
let opened;

function current() {
  if (!opened) throw new Error(`${entry.name} is not open`);
  return opened;
}

const now = () => Number(process.hrtime.bigint()) / 1e9;

/**
 * @param {BenchRequest} request
 * @param {AbortSignal} [signal]
 * @returns {Promise<{ seconds: number, answer: Answer }>}
 */
async function timed(request, signal) {
  const start = now();
  const answer = await current().driver.score(request, signal);
  return { seconds: answer.seconds ?? now() - start, answer };
}

/** @param {Answer} answer */
function logitsOf(answer) {
  const { head } = current();
  if (answer.kind === "logits") return Float64Array.from(answer.logits);
  return Float64Array.from(answer.hidden, (hidden) => logit(head, hidden));
}

/** @type {{ [Name in keyof Actions]: (argument: Parameters<Actions[Name]>[0]) => Promise<ReturnType<Actions[Name]>> }} */
const actions = {
  async open(settings) {
    const head = await readScoreHead(settings.headPath);
    opened = { driver: await (await driverModule(entry)).open(settings), head };
    return { facts: opened.driver.facts, url: opened.driver.url };
  },

  async score(request) {
    const { seconds, answer } = await timed(request);
    return { seconds, logits: logitsOf(answer) };
  },

  async latencies(requests) {
    const all = [];
    for (const request of requests) all.push((await timed(request)).seconds);
    return all;
  },

  async clients({ clients, requests }) {
    const waiting = [...requests];
    /** @type {number[]} */
    const latencies = [];
    const start = now();
    await Promise.all(
      Array.from({ length: clients }, async () => {
        for (let request = waiting.shift(); request; request = waiting.shift()) latencies.push((await timed(request)).seconds);
      }),
    );
    return { seconds: now() - start, latencies };
  },

  beside({ small, smallBeside, large }) {
    return besideOf(
      small,
      smallBeside,
      large.map((request) => (signal) => current().driver.score(request, signal)),
    );
  },

  pages: (images) => pages(images),

  batches: async () => current().driver.batches?.() ?? [],

  besidePages({ small, smallBeside, images }) {
    return besideOf(small, smallBeside, [(signal) => pages(images, signal)]);
  },

  async peak() {
    const status = readFileSync(`/proc/${current().driver.pid}/status`, "utf8");
    return Number(status.match(/^VmHWM:\s+(\d+) kB$/m)?.[1] ?? Number.NaN) * 1024;
  },

  async close() {
    await current().driver.close();
    opened = undefined;
    return null;
  },
};

/**
 * @param {readonly Uint8Array[]} images
 * @param {AbortSignal} [signal]
 */
function pages(images, signal) {
  const { driver } = current();
  if (!driver.pages) throw new Error(`${entry.name} takes no images`);
  return driver.pages(images, signal);
}

/**
 * @param {readonly BenchRequest[]} small
 * @param {readonly BenchRequest[]} smallBeside
 * @param {readonly ((signal: AbortSignal) => Promise<unknown>)[]} large
 * @returns {Promise<BesideSample>}
 */
async function besideOf(small, smallBeside, large) {
  const alone = await actions.latencies(small);
  const stop = new AbortController();
  let largeFinished = 0;
  const running = large.map(async (start) => {
    try {
      await start(stop.signal);
      largeFinished++;
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
  });
  // Wait until the large requests are being computed: twice the time of a small one is several batches.
  await new Promise((resolve) => setTimeout(resolve, 2000 * Math.max(...alone)));
  const beside = await actions.latencies(smallBeside);
  /** @type {BesideSample} */
  const sample = { alone, beside, largeFinished };
  stop.abort();
  await Promise.all(running);
  return sample;
}

/** @param {object} message */
const send = (message) => process.send?.(message);

process.on("message", async (/** @type {{ name: keyof Actions, argument: never }} */ { name, argument }) => {
  try {
    send({ value: await actions[name](argument) });
  } catch (error) {
    send({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
// The harness ended.
process.on("disconnect", () => process.exit(1));
