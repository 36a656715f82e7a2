/**
 * The work of a client that leaves is dropped, on every scoring route and however its connection was used. Of pipelined requests only
 * the first one's response has the connection, so Node tells the others nothing when it closes.
 */

import { Agent, request } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { randomModel, wideShape } from "../support/random-models.js";
import { methodsOf, registeredRoutes } from "../support/registered-routes.js";
import { text } from "../support/texts.js";
import { until } from "../support/until.js";

/** Many seconds of work on the wide random model, so that it can be cancelled while it runs. */
const query = "weather";
const documents = Array.from({ length: 60 }, (_, index) => text(400, index));

/** What this route is asked to score. */
function bodyFor(url: string, texts: readonly string[] = documents): string {
  if (url.endsWith("/score")) return JSON.stringify({ text_1: query, text_2: texts });
  return JSON.stringify(url === "/" ? { query, texts } : { query, documents: texts });
}

function message(url: string, body: string): string {
  const headers = `Host: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}`;
  return `POST ${url} HTTP/1.1\r\n${headers}\r\n\r\n${body}`;
}

const scoringRoutes = (await registeredRoutes()).routes
  .filter((route) => methodsOf(route).includes("POST"))
  .map(({ url }) => url);

let service: TestService;
const stats = () => service.reranker.stats();
beforeAll(async () => {
  // On a busy machine the usual limit would have the second of two such requests refused.
  service = await startTestService({ load: await randomModel(wideShape), requestTimeoutMs: 600_000 });
});
afterAll(() => service.service.stop());

/** Sends requests, calls `leave` while a batch of them runs, and asserts that the service dropped them. */
async function expectDropped(count: number, send: () => void, leave: () => void): Promise<void> {
  const before = stats();
  const { clientClosed } = service.service.context.requests;
  send();
  await until(() => stats().jobsSubmitted === before.jobsSubmitted + count && stats().batches > before.batches);
  leave();
  await until(() => stats().jobsCancelled === before.jobsCancelled + count);
  const dropped = stats();
  expect(dropped.pairsQueued).toBe(0);
  await until(() => service.service.context.requests.inFlight === 0);
  expect(service.service.context.requests.clientClosed).toBe(clientClosed + count);
  // One batch may have been running. The request after it takes another.
  await (await post(`${service.url}/rerank`, { query: `after ${dropped.batches}`, documents: ["short"] })).text();
  expect(stats().batches).toBeLessThanOrEqual(dropped.batches + 2);
}

describe.each(scoringRoutes)("POST %s", (url) => {
  test("a client that hangs up on a fresh connection leaves no work behind", async () => {
    const socket = connect(service.service.port, "127.0.0.1");
    await expectDropped(
      1,
      () => socket.write(message(url, bodyFor(url))),
      () => socket.destroy(),
    );
    const line = await service.logged((candidate) => candidate.route === url && candidate.status === 499);
    expect(line).toMatchObject({ documents: documents.length });
  });
});

test("a client that hangs up on a connection that was kept alive leaves no work behind", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = (body: string) => {
    const headers = { "content-type": "application/json" };
    const sent = request({ agent, host: "127.0.0.1", port: service.service.port, path: "/rerank", method: "POST", headers });
    sent.on("error", () => {});
    sent.end(body);
    return sent;
  };
  const first = send(bodyFor("/rerank", ["short"]));
  await new Promise((resolve) => first.on("response", (response) => response.resume().on("end", resolve)));
  let second = first;
  await expectDropped(
    1,
    () => {
      second = send(bodyFor("/rerank"));
    },
    () => second.destroy(),
  );
  expect(second.reusedSocket).toBe(true);
  agent.destroy();
});

test("of two requests pipelined on one connection both are dropped when it closes, and counted as 499", async () => {
  const socket = connect(service.service.port, "127.0.0.1");
  const logged = () => service.log.filter(({ status }) => status === 499).length;
  const before = logged();
  await expectDropped(
    2,
    () => socket.write(message("/rerank", bodyFor("/rerank")) + message("/rerank", bodyFor("/rerank"))),
    () => socket.destroy(),
  );
  expect(logged()).toBe(before + 2);
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  const count = Number(metrics.match(/^rerank_requests_total\{route="\/rerank",status="499"\} (\d+)$/m)?.[1]);
  expect(count).toBe(service.log.filter(({ route, status }) => route === "/rerank" && status === 499).length);
  expect(metrics).toContain(`rerank_cancelled_pairs_total ${stats().pairsDropped}\n`);
});

test("an answer that waits behind a pipelined one when the connection closes counts as 499 too, and is not in flight any more", async () => {
  const socket = connect(service.service.port, "127.0.0.1");
  const before = stats();
  socket.write(`${message("/rerank", bodyFor("/rerank"))}GET /ping HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until(() => stats().batches > before.batches && service.service.context.requests.inFlight === 2);
  socket.destroy();
  expect(await service.logged(({ route, status }) => route === "/ping" && status === 499)).toBeDefined();
  await until(() => service.service.context.requests.inFlight === 0 && stats().pairsQueued === 0);
});

test("pipelined requests that are waited for are all answered, in order, over one listener a connection", async () => {
  const socket = connect(service.service.port, "127.0.0.1").setEncoding("utf8");
  let received = "";
  socket.on("data", (chunk: string) => {
    received += chunk;
  });
  const warnings: string[] = [];
  const onWarning = ({ name }: Error) => warnings.push(name);
  process.on("warning", onWarning);
  const { clientClosed } = service.service.context.requests;
  socket.write(Array.from({ length: 20 }, (_, index) => message("/rerank", bodyFor("/rerank", [`document ${index}`]))).join(""));
  await until(() => received.split("HTTP/1.1 200").length === 21);
  await until(() => received.includes("document 19"));
  const order = [...received.matchAll(/"document":"document (\d+)"/g)].map(([, index]) => Number(index));
  expect(order).toEqual(Array.from({ length: 20 }, (_, index) => index));
  socket.destroy();
  await until(() => service.service.context.requests.inFlight === 0);
  expect(service.service.context.requests.clientClosed).toBe(clientClosed);
  process.off("warning", onWarning);
  expect(warnings).toEqual([]);
});
