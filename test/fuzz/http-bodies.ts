/**
 * Sends damaged bodies of every dialect, and random bytes, to a running service. Each must get a JSON answer in time: a success
 * or a client error in the dialect's shape, never a server error.
 */

import { connect } from "node:net";
import { addAbortSignal } from "node:stream";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { bodyFor, readError, type ScoringRoute, scoringRoutes } from "../support/scoring-routes.js";
import { garbled, mutated } from "./json-mutation.js";
import { Chance } from "./random.js";

/** Much longer than any answer takes: a request that exceeds it hangs. */
const patienceMs = 30_000;

const bomb = Buffer.alloc(64 * 2 ** 20, " ");
const encoders = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync };
const bombs = Object.entries(encoders).map(([encoding, encode]) => ({ encoding, bytes: encode(bomb) }));

export interface Case {
  readonly route: ScoringRoute;
  /** The bytes that are sent on one connection. */
  readonly bytes: Buffer;
}

/** The case number `number` of this seed. */
export function caseOf(seed: number, number: number): Case {
  const chance = new Chance(seed * 1_000_003 + number);
  const route = scoringRoutes[chance.below(scoringRoutes.length)] ?? scoringRoutes[0];
  if (!route) throw new Error("the table of routes is empty");
  const body = bodyFor(route, "machine learning", ["sunny", "machines learn", { text: "weather" }], fields(chance));
  const json = Buffer.from(JSON.stringify(mutated(chance, body)) ?? "");
  const text = chance.once(3) ? garbled(chance, json) : json;
  const { encoding, bytes } = encoded(chance, text);
  return { route, bytes: request(chance, route.path, encoding, bytes) };
}

function fields(chance: Chance): object {
  return {
    ...(chance.once(3) && { top_n: chance.below(4) }),
    ...(chance.once(3) && { raw_scores: chance.once(2) }),
    ...(chance.once(4) && { rank_fields: ["text"] }),
    ...(chance.once(4) && { max_chunks_per_doc: chance.below(3) }),
    ...(chance.once(4) && { min_score: chance.next() }),
    ...(chance.once(4) && { instruction: "about the weather" }),
    ...(chance.once(4) && { passages: { max_tokens: chance.below(9), overlap_tokens: chance.below(4), max: chance.below(3) } }),
    ...(chance.once(6) && { timeout_ms: 1 + chance.below(1000) }),
  };
}

function encoded(chance: Chance, text: Buffer): { encoding: string | undefined; bytes: Buffer } {
  if (chance.once(2)) return { encoding: undefined, bytes: text };
  if (chance.once(40)) return bombs[chance.below(bombs.length)] ?? { encoding: undefined, bytes: text };
  const encoding = chance.of(["gzip", "deflate", "br"]);
  const bytes = encoders[encoding](text);
  const said = chance.once(5) ? chance.of(["gzip", "deflate", "br", "identity", "zstd", "gzip, gzip", ""]) : encoding;
  return { encoding: said, bytes: chance.once(3) ? garbled(chance, bytes) : bytes };
}

function request(chance: Chance, path: string, encoding: string | undefined, body: Buffer): Buffer {
  const chunked = chance.once(4);
  const size = chance.once(12) ? chance.of([0, body.length + 5, Math.max(0, body.length - 5), 1e15]) : body.length;
  const lines = [
    `${chance.once(30) ? chance.of(["GET", "PUT", "BREW", "CONNECT"]) : "POST"} ${chance.once(15) ? oddPath(chance, path) : path} HTTP/1.1`,
    ...(chance.once(30) ? [] : ["Host: test"]),
    "Connection: close",
    `Content-Type: ${chance.once(20) ? chance.of(["text/plain", "application/json;charset=latin1", "", "a/b/c"]) : "application/json"}`,
    ...(encoding === undefined ? [] : [`Content-Encoding: ${encoding}`]),
    ...(chance.once(30) ? [`Expect: ${chance.of(["100-continue", "x"])}`] : []),
    chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${size}`,
  ];
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  const whole = Buffer.concat([head, ...(chunked ? chunks(chance, body) : [body])]);
  return chance.once(30) ? garbled(chance, whole) : whole;
}

function oddPath(chance: Chance, path: string): string {
  return chance.of([
    `${path}/`,
    `/${path}`,
    `${path}:a(`,
    `${path}/%zz`,
    `${path}?a=%zz`,
    `/:${path}*`,
    "*",
    `${path}/${"x".repeat(3000)}`,
  ]);
}

function chunks(chance: Chance, body: Buffer): Buffer[] {
  const at = chance.below(body.length + 1);
  const parts = [body.subarray(0, at), body.subarray(at)].filter(({ length }) => length > 0);
  const framed = parts.map((part) => {
    const size = chance.once(20) ? chance.of(["zz", "-1", "ffffffffffffffff"]) : part.length.toString(16);
    return Buffer.concat([Buffer.from(`${size}\r\n`), part, Buffer.from("\r\n")]);
  });
  return chance.once(20) ? framed : [...framed, Buffer.from("0\r\n\r\n")];
}

/** Throws an error that says what is wrong with the answer; returns when it is right. */
export async function check(port: number, { bytes }: Case): Promise<void> {
  const { status, head, body } = await exchange(port, bytes);
  if (status >= 500) throw new Error(`status ${status}: ${body.slice(0, 500)}`);
  if (!/x-request-id: \S/i.test(head)) throw new Error(`status ${status} without an id: ${head}`);
  if (status < 400) {
    if (/content-type: application\/json/i.test(head)) JSON.parse(body);
    return;
  }
  const parsed: unknown = JSON.parse(body);
  const tei = typeof parsed === "object" && parsed !== null && "error_type" in parsed;
  await readError(tei, { json: () => parsed });
}

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** The answer; undefined = not complete yet. Every JSON answer has a Content-Length. */
function answerIn(received: Buffer): Answer | undefined {
  const text = received.toString("latin1").replace(/^HTTP\/1\.1 100 .*\r\n\r\n/, "");
  const end = text.indexOf("\r\n\r\n");
  const head = text.slice(0, Math.max(0, end));
  const [, status] = head.match(/^HTTP\/1\.1 (\d{3}) /) ?? [];
  const [, length] = head.match(/content-length: (\d+)/i) ?? [];
  const all = text.slice(end + 4);
  const body = Buffer.from(length === undefined ? all : all.slice(0, Number(length)), "latin1").toString("utf8");
  const whole = length === undefined ? /\r\n0\r\n\r\n$/.test(body) : all.length >= Number(length);
  return status !== undefined && whole ? { status: Number(status), head, body } : undefined;
}

/** Rejects when no answer comes. It keeps the connection open until then: the server does not answer a client that left. */
async function exchange(port: number, bytes: Buffer): Promise<Answer> {
  const socket = connect({ port, host: "127.0.0.1" });
  const patience = AbortSignal.timeout(patienceMs);
  let received = Buffer.alloc(0);
  try {
    socket.write(bytes);
    for await (const chunk of addAbortSignal(patience, socket)) {
      received = Buffer.concat([received, chunk]);
      const answer = answerIn(received);
      if (answer) return answer;
    }
  } catch (error) {
    // The server may close before everything is written.
    if (patience.aborted) throw new Error(`no answer within ${patienceMs} ms`, { cause: error });
  } finally {
    socket.destroy();
  }
  throw new Error(`closed without an answer: ${JSON.stringify(received.toString("utf8").slice(0, 200))}`);
}

/** Runs cases while `more` returns true, and returns their number. Throws at the first wrong answer. */
export async function fuzzBodies(port: number, seed: number, more: (number: number) => boolean): Promise<number> {
  let number = 0;
  const work = async () => {
    while (more(number)) {
      const mine = number++;
      const sent = caseOf(seed, mine);
      try {
        await check(port, sent);
      } catch (error) {
        const shown = JSON.stringify(sent.bytes.subarray(0, 2000).toString("latin1"));
        throw new Error(`case ${mine} of seed ${seed}, ${sent.route.path}: ${shown}`, { cause: error });
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
  return number;
}
