import { connect } from "node:net";
import Fastify from "fastify";
import { describe, expect, test } from "vitest";
import { Reranker } from "../src/reranker.js";
import { Admission } from "../src/server/admission.js";
import { app } from "../src/server/app.js";
import { PairRate } from "../src/server/pair-rate.js";
import { runScoring, scoringGate } from "../src/server/scoring.js";
import { ServerContext } from "../src/server/state.js";
import { demoModel, post, startTestService } from "./support/demo-service.js";
import { randomModel, wideShape } from "./support/random-models.js";
import { text } from "./support/texts.js";
import { until } from "./support/until.js";

/** Seconds of work on the wide random model. */
const longDocuments = (count: number) => Array.from({ length: count }, (_, index) => text(400, index));

/** A queue whose figures the test sets, and a clock that it moves, in seconds. */
function simulated(maxQueuedPairs: number) {
  const figures = { pairsQueued: 0, pairsScored: 0 };
  let seconds = 0;
  const queue = { limits: { maxQueuedPairs, maxDocuments: 100 }, stats: () => ({ ...figures }) };
  const admission = new Admission(new PairRate(() => seconds * 1000));
  return {
    ...{ queue, admission, figures },
    /** `queued` is what is left after so many seconds in which so many pairs were scored. */
    pass(duration: number, scored: number, queued: number) {
      seconds += duration;
      figures.pairsScored += scored;
      figures.pairsQueued = queued;
      admission.observe(queue);
    },
  };
}

describe("Retry-After", () => {
  test("is the time after which there is room, at the rate of late", () => {
    const { queue, admission, pass } = simulated(200);
    pass(0, 0, 200);
    pass(10, 100, 200);
    // 10 pairs a second: a pair that is one too many waits a tenth, 100 wait ten seconds.
    expect(admission.retryAfterSeconds(queue, 1)).toBe(1);
    expect(admission.retryAfterSeconds(queue, 100)).toBe(10);
    pass(0, 0, 150);
    expect(admission.retryAfterSeconds(queue, 100)).toBe(5);
  });

  test("follows the engine when it becomes slower, and forgets what was long ago", () => {
    const { queue, admission, pass } = simulated(200);
    pass(0, 0, 200);
    pass(10, 1000, 200);
    const before = admission.retryAfterSeconds(queue, 100);
    for (let step = 0; step < 20; step++) pass(10, 50, 200);
    expect([before, admission.retryAfterSeconds(queue, 100)]).toEqual([1, 20]);
  });

  test("does not take an idle engine for a slow one", () => {
    const { queue, admission, pass } = simulated(200);
    pass(0, 0, 100);
    pass(1, 100, 0);
    pass(3600, 0, 200);
    expect(admission.retryAfterSeconds(queue, 100)).toBe(1);
  });

  test("is at least a second and at most a minute, also while nothing was scored yet", () => {
    const { queue, admission, pass } = simulated(200);
    pass(0, 0, 200);
    expect(admission.retryAfterSeconds(queue, 100)).toBe(1);
    pass(30, 0, 200);
    expect(admission.retryAfterSeconds(queue, 100)).toBe(60);
  });
});

test("a request that fills the queue to its last place gets in, one pair more does not", () => {
  const { queue, admission, pass } = simulated(200);
  pass(0, 0, 150);
  expect(() => admission.admit(queue, 50)).not.toThrow();
  expect(() => admission.admit(queue, 51)).toThrow("150 of 200 pairs are waiting; 51 more do not fit");
});

test("while the queue is full, a request is refused before its body is read", async () => {
  await using service = await startTestService({ load: { ...(await randomModel(wideShape)), maxQueuedPairs: 8 } });
  const controller = new AbortController();
  const running = service.reranker.score({ query: "a", documents: longDocuments(8), signal: controller.signal });
  const socket = connect(service.service.port, "127.0.0.1").setEncoding("utf8");
  let received = "";
  socket.on("data", (chunk: string) => {
    received += chunk;
  });
  socket.write("POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{");
  await until(() => received.includes("queue_full"));
  expect(received).toMatch(/^HTTP\/1.1 429 /);
  expect(received).toMatch(/retry-after: ([1-9]|[1-5]\d|60)\r/i);
  socket.destroy();
  controller.abort();
  await expect(running).rejects.toThrow();
});

describe("several queries in one request", () => {
  /** The service with a route that scores whatever queries it is sent. */
  async function several(limits: { maxQueuedPairs?: number; maxDocuments?: number } = {}) {
    const context = new ServerContext({ modelName: "m", requestTimeoutMs: 60_000, bodyLimitBytes: 2 ** 20 });
    const reranker = await Reranker.load({ ...(await demoModel()), gpuLayers: 0, threads: 1, contextSize: 256, ...limits });
    context.ready(reranker);
    const server = Fastify();
    await server.register(async (fastify) => {
      await app(fastify, { context });
      fastify.post<{ Body: { query: string; documents: string[] }[] }>(
        "/several",
        { onRequest: scoringGate(context) },
        async (request, reply) => (await runScoring(request, reply, context, request.body)).map(({ results }) => results.length),
      );
    });
    const send = (payload: { query: string; documents: string[] }[]) =>
      server.inject({ method: "POST", url: "/several", payload });
    return { reranker, send, [Symbol.asyncDispose]: () => reranker.close() };
  }
  const sunny = { query: "sunny", documents: ["sunny", "rain"] };

  test("are answered in order, each with its documents", async () => {
    await using service = await several();
    const answer = await service.send([sunny, { query: "rain", documents: ["rain"] }]);
    expect([answer.statusCode, answer.json()]).toEqual([200, [2, 1]]);
    expect(answer.headers["server-timing"]).toContain("computed;desc=");
  });

  test("are refused as a whole when all pairs together do not fit the queue, and nothing of them is computed", async () => {
    await using service = await several({ maxQueuedPairs: 100 });
    const held = service.reranker.score({ query: "held", documents: longDocuments(97) });
    // So many that they do not fit before nearly all that is held was scored.
    const many = { query: "sunny", documents: Array.from({ length: 48 }, (_, index) => `sunny ${index}`) };
    const answer = await service.send([many, many]);
    expect([answer.statusCode, answer.json().error.code]).toEqual([429, "queue_full"]);
    expect(answer.json().message).toContain("96 more do not fit");
    expect(service.reranker.stats().jobsSubmitted).toBe(1);
    await held;
  });

  test("are refused as a whole when one of them is wrong, or when they have too many documents together", async () => {
    await using service = await several({ maxDocuments: 3 });
    expect((await service.send([sunny, { query: "", documents: ["a"] }])).json().error.code).toBe("empty_query");
    const many = await service.send([sunny, sunny]);
    expect([many.statusCode, many.json().error.code]).toEqual([422, "too_many_documents"]);
    expect(service.reranker.stats().jobsSubmitted).toBe(0);
  });

  test("are dropped together when one turns out not to fit the context", async () => {
    await using service = await several();
    const answer = await service.send([
      { query: text(600, 1), documents: ["a"] },
      { query: "sunny", documents: longDocuments(90) },
    ]);
    expect([answer.statusCode, answer.json().error.code]).toEqual([422, "query_too_long"]);
    expect(service.reranker.stats()).toMatchObject({ jobsSubmitted: 2, jobsFailed: 1, jobsCancelled: 1, pairsQueued: 0 });
  });
});

describe("a process that is short of memory", () => {
  test("refuses to score with overloaded and Retry-After, and still answers probes and metrics", async () => {
    await using service = await startTestService({ server: { maxRssBytes: 1 } });
    const ask = () => post(`${service.url}/rerank`, { query: "a", documents: ["b"] });
    // Memory is looked at once a second.
    let answer = await ask();
    await until(async () => {
      answer = await ask();
      return answer.status !== 200;
    });
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "2"]);
    expect(await answer.json()).toMatchObject({
      error: { code: "overloaded", message: expect.stringMatching(/process \d+ MiB/) },
    });
    for (const route of ["/health", "/ready", "/ping", "/metrics"]) {
      expect([route, (await fetch(service.url + route)).status]).toEqual([route, 200]);
    }
  });
});
