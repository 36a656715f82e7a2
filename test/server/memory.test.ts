/**
 * A server that answers thousands of requests keeps nothing of them. A process of its own samples memory after forced collections.
 * The test looks at bytes per request, as the median slope between all pairs of samples, which one odd sample does not move.
 */

import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Type } from "typebox";
import { Check } from "typebox/value";
import { Pool } from "undici";
import { expect, test } from "vitest";
import { demoModel } from "../support/demo-service.js";
import { text } from "../support/texts.js";
import { event, within } from "../support/until.js";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const report = new URL("../support/report-memory.mjs", import.meta.url).href;
const warmUp = 1500;
const samples = 9;
const requestsBetween = 400;
const connections = 8;
const deadlineMs = 240_000;

const Memory = Type.Object({ heap: Type.Number(), native: Type.Optional(Type.Number()) });

interface Growth {
  /** Bytes per request. */
  readonly heap: number;
  readonly native: number;
}

async function startServer(variables: Readonly<Record<string, string>>): Promise<{ child: ChildProcess; url: string }> {
  const { modelPath, headPath } = await demoModel();
  const { PATH, HOME, XDG_CACHE_HOME } = process.env;
  const env = {
    ...{ PATH, HOME, XDG_CACHE_HOME, MODEL_PATH: modelPath, HEAD_PATH: headPath },
    // The caches are full before the first sample, so that filling them does not look like a leak. Freed memory goes to one arena.
    ...{ DOCUMENT_CACHE_MB: "1", SCORE_CACHE_MB: "0", MALLOC_ARENA_MAX: "1", MAX_EVENT_LOOP_DELAY_MS: "0" },
    ...variables,
  };
  const args = ["serve", "--host", "127.0.0.1", "--port", "0", "--n-threads", "1", "--n-gpu-layers", "0"];
  const child = fork(main, args, { env, execArgv: ["--expose-gc", "--import", report], silent: true });
  const ready = new Promise<number>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the server ended with ${code} before it was ready`)));
    const seen = (line: string) => {
      if (!line.includes('"msg":"ready"')) return;
      const { port }: { port: number } = JSON.parse(line);
      resolve(port);
    };
    if (child.stdout) createInterface({ input: child.stdout }).on("line", seen);
    child.stderr?.resume();
  });
  return { child, url: `http://127.0.0.1:${await within(ready, () => "the server to be ready")}` };
}

async function memory(child: ChildProcess): Promise<{ heap: number; native: number }> {
  const answer = event(child, "message", "the server");
  child.send("memory");
  const [told]: unknown[] = await answer;
  if (!Check(Memory, told)) throw new Error("the server did not tell its memory");
  return { heap: told.heap, native: told.native ?? 0 };
}

async function send(pool: Pool, from: number, to: number): Promise<void> {
  let next = from;
  const client = async () => {
    while (next < to) {
      const number = next++;
      const body = JSON.stringify({ query: `weather ${number}`, documents: [text(6, number), text(6, number + 1e6)] });
      const headers = { "content-type": "application/json" };
      const answer = await pool.request({ path: "/rerank", method: "POST", headers, body });
      await answer.body.dump();
      expect(answer.statusCode).toBe(200);
    }
  };
  await Promise.all(Array.from({ length: connections }, client));
}

/** The median slope of all pairs of samples. */
function slope(values: readonly number[], distance: number): number {
  const slopes = values.flatMap((first, index) =>
    values.slice(index + 1).map((second, further) => (second - first) / ((further + 1) * distance)),
  );
  return slopes.sort((a, b) => a - b)[Math.floor(slopes.length / 2)] ?? Number.NaN;
}

async function growth(variables: Readonly<Record<string, string>> = {}): Promise<Growth> {
  const { child, url } = await startServer(variables);
  const pool = new Pool(url, { connections, headersTimeout: deadlineMs, bodyTimeout: deadlineMs });
  try {
    await send(pool, 0, warmUp);
    const measured: { heap: number; native: number }[] = [];
    for (let sample = 0; sample < samples; sample++) {
      measured.push(await memory(child));
      const from = warmUp + sample * requestsBetween;
      await send(pool, from, from + requestsBetween);
    }
    const each = (name: "heap" | "native") =>
      Math.round(
        slope(
          measured.map((one) => one[name]),
          requestsBetween,
        ),
      );
    const bytes = { heap: each("heap"), native: each("native") };
    console.log({ bytes_a_request: bytes, ...variables });
    return bytes;
  } finally {
    await pool.destroy();
    child.kill("SIGKILL");
  }
}

const mostHeap = 300;
// Allocators reuse freed memory, and return it to the system late.
const mostNative = 1500;

test("thousands of requests leave no memory behind, in JavaScript or in native code", async () => {
  const { heap, native } = await growth();
  expect(heap).toBeLessThan(mostHeap);
  expect(native).toBeLessThan(mostNative);
});

test("the measurement sees a leak of 4 kB a request, put in on purpose", async () => {
  const { heap, native } = await growth({ TEST_LEAK_BYTES: "4096" });
  expect(heap).toBeGreaterThan(mostHeap);
  if (process.platform === "linux") expect(native).toBeGreaterThan(mostNative);
});
