/**
 * The promises under too much load: two hundred clients at once on a queue of two hundred pairs, against the command in a process of
 * its own. LOAD_TEST_SECONDS makes it longer; the promise is for 60.
 */

import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { type RunningCommand, startCommand } from "../support/command.js";
import { type Outcome, startLoad } from "../support/load.js";
import { mixedDocuments } from "../support/texts.js";
import { until } from "../support/until.js";

const seconds = Number(process.env.LOAD_TEST_SECONDS ?? 5);
const connections = 200;
const maxQueuedPairs = 200;
/** Long enough for a machine whose cores are shared. */
const timeoutMs = 120_000;

let running: RunningCommand | undefined;
afterEach(() => {
  running?.child.kill("SIGKILL");
});

async function startServer(): Promise<{ command: RunningCommand; url: string }> {
  const command = startCommand(["serve", "--demo", "--host", "127.0.0.1", "--port", "0", "--n-threads", "1"], {
    MAX_QUEUED_PAIRS: String(maxQueuedPairs),
    REQUEST_TIMEOUT_MS: String(timeoutMs),
  });
  running = command;
  const { port }: { port: number } = JSON.parse(await command.line((line) => line.includes('"msg":"ready"')));
  return { command, url: `http://127.0.0.1:${port}` };
}

const documents = mixedDocuments(400, 20, 120, 5);
const documentsOf = (n: number) =>
  Array.from({ length: 1 + (n % 8) }, (_, index) => documents[(n * 7 + index) % documents.length]);
const body = (n: number) => JSON.stringify({ query: `weather ${n}`, documents: documentsOf(n), return_documents: false });
const resultsOf = ({ id }: Outcome) => documentsOf(Number(id.replace("load-", ""))).length;

async function metrics(url: string): Promise<(name: string) => number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return (name) => {
    const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
    return line === undefined ? 0 : Number(line.slice(name.length + 1));
  };
}

const byStatus = (outcomes: readonly Outcome[], status: number | undefined) =>
  outcomes.filter((outcome) => outcome.status === status);

test(`${connections} connections for ${seconds} s: every request ends as 200 or 429, nothing is left`, async () => {
  const { command, url } = await startServer();
  const load = startLoad(url, { connections, body, timeoutMs });
  await sleep(seconds * 1000);
  const outcomes = await load.stop();

  expect(outcomes).toHaveLength(load.sent);
  const [answered, refused] = [byStatus(outcomes, 200), byStatus(outcomes, 429)];
  expect(outcomes.filter(({ status }) => status !== 200 && status !== 429)).toEqual([]);
  expect(answered.length).toBeGreaterThan(0);
  expect(refused.length).toBeGreaterThan(0);
  expect(answered.filter((outcome) => outcome.results !== resultsOf(outcome))).toEqual([]);
  expect(refused.filter(({ retryAfter = 0 }) => !(Number.isInteger(retryAfter) && retryAfter >= 1 && retryAfter <= 60))).toEqual(
    [],
  );

  const figures = await metrics(url);
  expect(figures("rerank_queue_pairs")).toBe(0);
  expect(figures('rerank_requests_total{route="/rerank",status="200"}')).toBe(answered.length);
  expect(figures('rerank_requests_total{route="/rerank",status="429"}')).toBe(refused.length);
  console.log({ seconds, answered: answered.length, refused: refused.length });
  command.child.kill("SIGTERM");
  expect(await command.ended).toMatchObject({ code: 0, stderr: "" });
});

test("clients that are killed in the middle leave no work behind", async () => {
  const { command, url } = await startServer();
  const long = mixedDocuments(10, 4000, 6000, 9);
  const send = (n: number) => {
    const headers = { "content-type": "application/json" };
    return request(`${url}/rerank`, { method: "POST", headers })
      .on("error", () => {})
      .end(JSON.stringify({ query: `${n}`, documents: long }));
  };
  const clients = Array.from({ length: 20 }, (_, n) => send(n));
  await until(async () => (await metrics(url))("rerank_queue_pairs") > 0);
  for (const client of clients) client.destroy();
  await until(async () => (await metrics(url))("rerank_queue_pairs") === 0);
  const figures = await metrics(url);
  expect(figures("rerank_cancelled_pairs_total")).toBeGreaterThan(0);
  expect(figures('rerank_requests_total{route="/rerank",status="499"}')).toBeGreaterThan(0);
  const answer = await fetch(`${url}/rerank`, { method: "POST", headers: { "content-type": "application/json" }, body: body(1) });
  expect(answer.status).toBe(200);
  command.child.kill("SIGTERM");
  expect(await command.ended).toMatchObject({ code: 0, stderr: "" });
});

test("SIGTERM in the middle of load: what was accepted is answered, what comes later is refused, and it ends with 0", async () => {
  const { command, url } = await startServer();
  let terminated = false;
  // A client that was refused after the signal has nothing more to see.
  const goOn = ({ status }: Outcome) => !terminated || status === 200 || status === 429;
  const load = startLoad(url, { connections, body, timeoutMs, goOn });
  await until(() => byStatus(load.outcomes, 200).length > 100);
  terminated = true;
  command.child.kill("SIGTERM");
  expect(await command.ended).toMatchObject({ code: 0, stderr: "" });
  const outcomes = await load.stop();

  // The server logs every request that it took, with what it answered.
  const { stdout } = await command.ended;
  const logged = new Map<string, number>();
  for (const line of stdout.trim().split("\n")) {
    const { request_id, status, msg }: { request_id?: string; status?: number; msg?: string } = JSON.parse(line);
    if (msg === "request" && request_id !== undefined && status !== undefined) logged.set(request_id, status);
  }
  expect([...logged].filter(([, status]) => ![200, 429, 503].includes(status))).toEqual([]);
  expect([...logged].filter(([, status]) => status === 200).length).toBeGreaterThan(100);
  const received = new Map(outcomes.map(({ id, status }) => [id, status]));
  const lost = [...logged].filter(([id, status]) => status === 200 && received.get(id) !== 200);
  expect(lost).toEqual([]);
  const unanswered = byStatus(outcomes, undefined);
  expect(unanswered.filter(({ id }) => logged.get(id) === 200 || logged.get(id) === 429)).toEqual([]);
  expect(unanswered.length + byStatus(outcomes, 503).length).toBeGreaterThan(0);
  console.log({
    ...{ answered: byStatus(outcomes, 200).length, refused: byStatus(outcomes, 429).length },
    ...{ draining: byStatus(outcomes, 503).length, no_answer: unanswered.length },
    errors: [...new Set(unanswered.map(({ error }) => error))],
  });
});
