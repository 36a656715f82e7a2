/**
 * A soak test of the service with the demo model, in a process of its own: half an hour of mixed load.
 *
 *     npm run setup && node bench/soak.mjs [--minutes 30] [--clients 50] [--seed 1]
 *
 * Each client sends its next request when the last one is over, or 50 ms after a refusal, in a random dialect: 5 documents of 30
 * words; one time in 8 one document of 60,000 words; one time in 400 one of 31 MB. One time in 40 it disconnects within half a
 * second. Every 30 seconds a burst of 40 × 90 documents fills the queue. No text occurs twice. Every 10 seconds the service
 * collects garbage (--expose-gc and a signal, no code of the product), and its RSS is read from /proc. The slope is that of a
 * straight line through the samples after the first quarter; the caches are small, so they are full by then. Prints one JSON
 * object. Exits with 1 if a request was lost or the queue did not empty.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** @typedef {"small" | "long" | "huge" | "burst"} Kind */
/**
 * @typedef {object} Outcome
 * @property {Kind} kind
 * @property {number | "hung up" | "lost" | "wrong answer"} ended the status, or what came instead of one
 * @property {number} milliseconds
 */

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    clients: { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
  },
});
const minutes = Number(options.minutes);
const clients = Number(options.clients);
if (!(minutes > 0) || !Number.isInteger(clients) || clients < 1) {
  process.stderr.write("soak: --minutes: expected a number above 0; --clients: expected a whole number of at least 1\n");
  process.exit(2);
}

let state = Number(options.seed) >>> 0;
/** A random number from 0 to 1 (linear congruential generator). */
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}
/** @param {number} count */
const below = (count) => Math.floor(random() * count);

const words = (
  "search engine rank document query learn machine model data token score weather river mountain book paper light water music " +
  "garden train city history language neural network deep index vector number science space time house coffee"
).split(" ");
/** 33 MB of words. Each text is a piece of it. */
const library = Buffer.from(Array.from({ length: 5_400_000 }, () => words[below(words.length)]).join(" "));

/** @param {number} bytes */
function piece(bytes) {
  const from = below(library.length - bytes);
  return library.toString("latin1", from, from + bytes).replaceAll('"', " ");
}

const bytesPerWord = 6;
/** Route and body of each dialect. @type {readonly [path: string, body: (query: string, documents: string[]) => object][]} */
const dialects = [
  ["/rerank", (query, documents) => ({ query, documents, return_documents: false })],
  ["/v1/rerank", (query, documents) => ({ model: "m", query, documents })],
  ["/v2/rerank", (query, documents) => ({ model: "m", query, documents })],
  ["/rerank", (query, texts) => ({ query, texts })],
  ["/score", (query, documents) => ({ text_1: query, text_2: documents })],
];

/** @type {Record<Kind, () => string[]>} */
const documentsOf = {
  small: () => Array.from({ length: 5 }, () => piece(30 * bytesPerWord)),
  long: () => [piece(60_000 * bytesPerWord)],
  huge: () => [piece(31_000_000)],
  burst: () => Array.from({ length: 90 }, () => piece(30 * bytesPerWord)),
};

const gcOnSignal = 'data:text/javascript,process.on("SIGUSR2",()=>globalThis.gc())';
const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const { PATH, HOME, XDG_CACHE_HOME, LD_LIBRARY_PATH } = process.env;
const server = spawn(
  process.execPath,
  ["--expose-gc", `--import=${gcOnSignal}`, main, "serve", "--demo", "--host", "127.0.0.1", "--port", "0"],
  {
    env: { PATH, HOME, XDG_CACHE_HOME, LD_LIBRARY_PATH, DOCUMENT_CACHE_MB: "64", SCORE_CACHE_MB: "4", LOG_FORMAT: "json" },
    stdio: ["ignore", "pipe", "inherit"],
  },
);
/** @type {Promise<number>} */
const listening = new Promise((resolve, reject) => {
  createInterface({ input: server.stdout }).on("line", (line) => {
    if (line.includes('"msg":"ready"')) resolve(JSON.parse(line).port);
  });
  server.once("exit", (code) => reject(new Error(`the service ended with ${code}`)));
});
const port = await listening;

const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
/** @type {Outcome[]} */
const outcomes = [];
let sent = 0;

/**
 * @param {Kind} kind
 * @param {number} [hangUpAfter] milliseconds
 */
async function send(kind, hangUpAfter) {
  const documents = documentsOf[kind]();
  const [path, bodyOf] = dialects[below(dialects.length)] ?? ["/rerank", (query) => ({ query, documents })];
  const body = Buffer.from(JSON.stringify(bodyOf(`${words[below(words.length)]} ${sent}`, documents)));
  const startedAt = performance.now();
  sent += 1;
  let hungUp = false;
  /** @type {Outcome["ended"]} */
  let ended;
  let retryable = false;
  try {
    const outgoing = request({
      ...{ agent, host: "127.0.0.1", port, path, method: "POST" },
      headers: { "content-type": "application/json", "content-length": body.length },
    });
    if (hangUpAfter !== undefined) {
      setTimeout(() => {
        hungUp = true;
        outgoing.destroy();
      }, hangUpAfter);
    }
    outgoing.end(body);
    const [answer] = await once(outgoing, "response");
    let text = "";
    for await (const chunk of answer.setEncoding("utf8")) text += chunk;
    ended = answer.statusCode;
    retryable = ended === 429 || ended === 503;
    if (ended === 200 && text.split(/"(?:relevance_)?score":/).length - 1 !== documents.length) ended = "wrong answer";
    if (retryable && !/^[1-9]\d*$/.test(String(answer.headers["retry-after"]))) ended = "wrong answer";
  } catch (error) {
    ended = hungUp ? "hung up" : "lost";
    if (!hungUp) process.stderr.write(`soak: lost a ${kind} request: ${error}\n`);
  }
  outcomes.push({ kind, ended, milliseconds: performance.now() - startedAt });
  if (retryable) await sleep(50);
}

let stopping = false;
async function client() {
  while (!stopping) {
    const kind = random() < 1 / 400 ? "huge" : random() < 1 / 8 ? "long" : "small";
    await send(kind, random() < 1 / 40 ? below(500) : undefined);
  }
}

async function bursts() {
  for (let second = 0; !stopping; second++) {
    if (second % 30 === 15) await Promise.all(Array.from({ length: 40 }, () => send("burst")));
    await sleep(1000);
  }
}

/** @type {{ readonly minute: number, readonly mebibytes: number }[]} */
const samples = [];
const startedAt = performance.now();
async function sample() {
  for (let second = 0; !stopping; second++) {
    await sleep(1000);
    if (second % 10 !== 9) continue;
    server.kill("SIGUSR2");
    // The signal's handler runs when JavaScript is free, and the allocator returns memory a moment later.
    await sleep(500);
    const [, kibibytes] = readFileSync(`/proc/${server.pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB$/m) ?? [];
    samples.push({ minute: (performance.now() - startedAt) / 60_000, mebibytes: Number(kibibytes) / 1024 });
  }
}

/** Mebibytes a minute: least squares. @param {typeof samples} points */
function slope(points) {
  const mean = (/** @type {number[]} */ values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(({ minute }) => minute)), mean(points.map(({ mebibytes }) => mebibytes))];
  const over = points.reduce((sum, { minute, mebibytes }) => sum + (minute - x) * (mebibytes - y), 0);
  return over / points.reduce((sum, { minute }) => sum + (minute - x) ** 2, 0);
}

/** @param {readonly Outcome[]} some */
function times(some) {
  const sorted = some.map(({ milliseconds }) => milliseconds).sort((left, right) => left - right);
  const at = (/** @type {number} */ share) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { count: sorted.length, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) };
}

const running = [...Array.from({ length: clients }, client), bursts(), sample()];
await sleep(minutes * 60_000);
stopping = true;
await Promise.all(running);

const queued = async () => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(text.match(/^rerank_queue_pairs (\d+)$/m)?.[1]);
};
const deadline = performance.now() + 60_000;
while ((await queued()) > 0 && performance.now() < deadline) await sleep(100);
const left = await queued();
agent.destroy();
server.kill("SIGTERM");
const [exitCode] = await once(server, "exit");

const kinds = /** @type {const} */ (["small", "long", "huge", "burst"]);
const results = kinds.map((kind) => {
  const some = outcomes.filter((outcome) => outcome.kind === kind);
  const endings = [...new Set(some.map(({ ended }) => ended))];
  return [kind, Object.fromEntries(endings.map((ended) => [ended, times(some.filter((one) => one.ended === ended))]))];
});
const warm = samples.filter(({ minute }) => minute > minutes / 4);
const lost = outcomes.filter(({ ended }) => ended === "lost" || ended === "wrong answer").length + sent - outcomes.length;
process.stdout.write(
  `${JSON.stringify(
    {
      ...{ minutes, clients, sent, lost, pairs_left: left, exit_code: exitCode },
      by_kind: Object.fromEntries(results),
      rss_mib: { first: samples[0]?.mebibytes, last: samples.at(-1)?.mebibytes, slope_a_minute: slope(warm) },
    },
    null,
    2,
  )}\n`,
);
process.exitCode = lost > 0 || left > 0 || exitCode !== 0 ? 1 : 0;
