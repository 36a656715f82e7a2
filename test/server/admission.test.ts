import { connect } from "node:net";
import Fastify from "fastify";
import { describe, expect, test } from "vitest";
import { Reranker } from "../../src/reranker.js";
import { Admission, type Claim } from "../../src/server/admission.js";
import { app } from "../../src/server/app.js";
import { BodyBudget } from "../../src/server/body-budget.js";
import { ServerContext } from "../../src/server/context.js";
import { imageTokens } from "../../src/server/image-tokens.js";
import { BytesPerToken, pairTokens, requestWork } from "../../src/server/request-work.js";
import { runScoring, scoringGate } from "../../src/server/scoring.js";
import { secondsUntilAnswer, secondsUntilRoom } from "../../src/server/waiting-time.js";
import { WorkRate } from "../../src/server/work-rate.js";
import type { PassageOptions } from "../../src/types.js";
import { plainPng } from "../images/fixtures.js";
import { demoModel, post, startTestService } from "../support/demo-service.js";
import { randomModel, wideShape } from "../support/random-models.js";
import { text } from "../support/texts.js";
import { until } from "../support/until.js";

/** Seconds of work on the wide random model. */
const longDocuments = (count: number) => Array.from({ length: count }, (_, index) => text(400, index));

/** A queue whose figures the test sets, and a clock that it moves, in seconds. */
function simulated(maxQueuedPairs: number) {
  const figures = { pairsQueued: 0, tokensQueued: 0, workQueued: 0, workDone: 0 };
  let seconds = 0;
  const queue = {
    limits: { maxQueuedPairs, maxDocuments: 100, maxImages: 0 },
    info: {
      ...{ contextSize: 8192, batchTokens: 512, attentionCells: Number.POSITIVE_INFINITY },
      vision: { maxTokens: 768, workPerToken: 2.5, sizeBytes: 1 },
    },
    stats: () => ({ ...figures }),
  };
  const admission = new Admission(60_000, new WorkRate(() => seconds * 1000));
  /** Admits a request of texts, which the engine has at once. */
  const enter = (asked: Claim): Disposable => {
    const place = admission.admit(queue, asked);
    place.handOver(asked);
    return place;
  };
  return {
    ...{ queue, admission, figures, enter },
    /** Lets `seconds` pass, in which the engine does `tokens`; `pairs` pairs of 100 tokens are left then. */
    pass(duration: number, done: number, pairsQueued: number) {
      seconds += duration;
      figures.workDone += done;
      figures.pairsQueued = pairsQueued;
      figures.tokensQueued = pairsQueued * 100;
      figures.workQueued = pairsQueued * 100;
      admission.observe(queue);
    },
  };
}
/** The claim of so many tokens in one or more pairs. */
const claim = (count: number, tokens: number, long = false) => ({ pairs: count, tokens, work: tokens, long, imageTokens: 0 });
const pairs = (count: number) => claim(count, count * 100);

test("before the first batch has ended only so much gets in, and one that is alone whatever it asks for", () => {
  const { queue, admission, pass, enter } = simulated(2000);
  enter(pairs(1000));
  pass(0, 0, 300);
  enter(pairs(20));
  admission.requireRoom(queue, pairs(100));
  pass(0, 0, 1000);
  admission.requireRoom(queue, pairs(1));
  expect(() => admission.requireRoom(queue, pairs(200))).toThrow(/speed is not known yet/);
  pass(1, 30_000, 300);
  admission.requireRoom(queue, pairs(200));
});

describe("Retry-After", () => {
  test("is the time after which there is room, at the rate of late", () => {
    const { queue, admission, pass } = simulated(200);
    pass(0, 0, 200);
    pass(10, 10_000, 200);
    // The engine does 10 pairs a second: one pair too many waits a tenth of a second, 100 wait ten seconds.
    expect(admission.retryAfterSeconds(queue, pairs(1))).toBe(1);
    expect(admission.retryAfterSeconds(queue, pairs(100))).toBe(10);
    pass(0, 0, 150);
    expect(admission.retryAfterSeconds(queue, pairs(100))).toBe(5);
  });

  test("follows the engine when it becomes slower, and forgets what was long ago", () => {
    const { queue, admission, pass } = simulated(200);
    pass(0, 0, 200);
    pass(10, 100_000, 200);
    const before = admission.retryAfterSeconds(queue, pairs(100));
    for (let step = 0; step < 20; step++) pass(10, 5000, 200);
    expect([before, admission.retryAfterSeconds(queue, pairs(100))]).toEqual([1, 20]);
  });

  test("does not take an idle engine for a slow one", () => {
    const { queue, admission, pass } = simulated(200);
    pass(0, 0, 100);
    pass(1, 10_000, 0);
    pass(3600, 0, 200);
    expect(admission.retryAfterSeconds(queue, pairs(100))).toBe(1);
  });

  test("does not take small requests one by one for all that the engine can do", () => {
    const { queue, admission, pass } = simulated(200);
    pass(0, 0, 100);
    pass(1, 10_000, 0);
    for (let times = 0; times < 100; times++) {
      pass(0, 0, 3);
      // Batches of 300 tokens, where 512 would fit.
      pass(0.1, 300, 0);
    }
    pass(0, 0, 200);
    // The rate stays at the 10,000 tokens a second of full batches, and does not fall to 3,000.
    expect(admission.retryAfterSeconds(queue, pairs(190))).toBe(2);
  });

  test("is at least a second and at most a minute, and a second while nothing was done yet", () => {
    const { queue, admission, pass } = simulated(200);
    pass(0, 0, 200);
    expect(admission.retryAfterSeconds(queue, pairs(100))).toBe(1);
    pass(30, 0, 200);
    expect(admission.retryAfterSeconds(queue, pairs(100))).toBe(1);
    pass(10, 10, 200);
    expect(admission.retryAfterSeconds(queue, pairs(100))).toBe(60);
  });
});

test("a request that fills the queue to its last place gets in, one pair more does not", () => {
  const { queue, admission, pass } = simulated(200);
  pass(0, 0, 150);
  expect(() => admission.requireRoom(queue, pairs(50))).not.toThrow();
  expect(() => admission.requireRoom(queue, pairs(51))).toThrow("150 of 200 pairs are waiting; 51 more do not fit");
});

describe("a request whose images are being read", () => {
  test("counts as waiting until it is handed over to the engine, and then no more", () => {
    const { queue, admission, pass } = simulated(200);
    const [first, second] = [pairs(100), pairs(50)];
    using place = admission.admit(queue, first, second);
    expect(() => admission.requireRoom(queue, pairs(50))).not.toThrow();
    expect(() => admission.requireRoom(queue, pairs(51))).toThrow("150 of 200 pairs are waiting; 51 more do not fit");
    place.handOver(first);
    pass(0, 0, 100);
    expect(() => admission.requireRoom(queue, pairs(51))).toThrow("150 of 200 pairs are waiting; 51 more do not fit");
    place.handOver(second);
    expect(() => admission.requireRoom(queue, pairs(100))).not.toThrow();
  });

  test("makes a later one wait as if the engine had its work, also in Retry-After, and no longer when it failed", () => {
    const { queue, admission, pass } = simulated(100_000);
    pass(0, 0, 100);
    pass(10, 10_000, 0);
    const large = claim(1, 40_000);
    {
      using _reading = admission.admit(queue, large);
      // The engine does 1,000 tokens a second, and has nothing to do yet.
      expect(() => admission.requireRoom(queue, large)).toThrow(/40000 tokens of 1 requests are waiting.* would take about 80 s/);
      expect(admission.retryAfterSeconds(queue, large)).toBe(35);
    }
    expect(() => admission.requireRoom(queue, large)).not.toThrow();
  });

  test("does not make the engine look slow", () => {
    const { queue, admission, pass } = simulated(200);
    pass(0, 0, 200);
    pass(10, 10_000, 0);
    using _reading = admission.admit(queue, pairs(150));
    pass(30, 0, 0);
    pass(0, 0, 150);
    // The 150 on their way and 150 with the engine are 100 too many, at 10 a second.
    expect(admission.retryAfterSeconds(queue, pairs(0))).toBe(10);
  });

  test("takes room among the bodies for its pixels, and when it is alone whatever it asks for", () => {
    const budget = new BodyBudget(8 * 2 ** 20);
    const [first, second] = [budget.lease(), budget.lease()];
    expect([first.growTo(2 ** 20), first.growBy(9 * 2 ** 20), budget.bytes]).toEqual([true, true, 10 * 2 ** 20]);
    expect([second.growTo(0), second.growBy(1), budget.bytes]).toEqual([true, false, 10 * 2 ** 20]);
    first.release();
    expect([budget.bytes, second.growBy(1)]).toEqual([0, true]);
  });
});

describe("how long a request takes", () => {
  const idle = { workQueued: 0, requests: 0, capacity: 1000, arriving: 0 };
  test.each([
    ["is not known before anything was done", { ...idle, workQueued: 1e9, requests: 50, capacity: undefined }, 8000, 0],
    ["alone is its own tokens' time", idle, 8000, 8],
    ["behind one small request is both together", { ...idle, workQueued: 500, requests: 1 }, 8000, 8.5],
    ["for a small one is a turn of each of the large ones", { ...idle, workQueued: 80_000, requests: 10 }, 100, 1.1],
    ["is longer while others come in", { ...idle, workQueued: 500, requests: 20, arriving: 800 }, 8000, 42.5],
    ["with more coming in than gets done is a turn of each", { ...idle, workQueued: 500, requests: 5, arriving: 2000 }, 8000, 48],
  ])("%s", (_, load, work, seconds) => {
    expect(secondsUntilAnswer(load, { work, long: false })).toBeCloseTo(seconds);
  });

  test("is for a long pair no more than a fifth of the engine takes, however many others come in", () => {
    const load = { ...idle, workQueued: 2000, requests: 50, arriving: 2000 };
    expect(secondsUntilAnswer(load, { work: 8000, long: true })).toBeCloseTo(50);
  });

  test.each([
    ["of a request that is alone is none", idle, 8000, 0],
    ["of one behind all is what is too much", { ...idle, workQueued: 60_000, requests: 30 }, 8000, 23],
    ["is never longer than until the queue is empty", { ...idle, workQueued: 3000, requests: 9 }, 90_000, 3],
    ["of one that would be in time is none", { ...idle, workQueued: 100, requests: 9 }, 100, 0],
  ])("the wait until there is room %s", (_, load, work, seconds) => {
    expect(secondsUntilRoom(load, { work, long: false }, 45)).toBeCloseTo(seconds);
  });
});

describe("a request that would be answered too late", () => {
  /** An engine of 1,000 tokens a second with so many requests in it. */
  function busy(requests: number, tokens: number) {
    const simulation = simulated(100_000);
    const { pass, enter } = simulation;
    pass(0, 0, 100);
    pass(10, 10_000, (requests * tokens) / 100);
    const places = Array.from({ length: requests }, () => enter(claim(1, 0)));
    return { ...simulation, places };
  }

  test("is refused at once, with the time after which it would not be, and a small one beside it is let in", () => {
    const { admission, queue, pass } = busy(10, 8000);
    const large = claim(1, 8000);
    expect(() => admission.requireRoom(queue, large)).toThrow(
      /80000 tokens of 10 requests are waiting; about 8000 more would take/,
    );
    expect(() => admission.requireRoom(queue, claim(5, 300))).not.toThrow();
    const seconds = admission.retryAfterSeconds(queue, large);
    expect(seconds).toBeGreaterThan(1);
    // If nothing else comes in, the request gets in then.
    pass(seconds, seconds * 1000, 800 - seconds * 10);
    expect(() => admission.requireRoom(queue, large)).not.toThrow();
  });

  test("is let in when it is alone, and when the others have gone", () => {
    const { admission, queue, places, pass } = busy(1, 80_000);
    const large = claim(1, 80_000);
    expect(() => admission.requireRoom(queue, large)).toThrow();
    for (const place of places) place[Symbol.dispose]();
    pass(0, 0, 0);
    expect(() => admission.requireRoom(queue, large)).not.toThrow();
  });
});

describe("a request's tokens", () => {
  const measures = { bytesPerToken: 4, contextSize: 8192, maxPairs: 2000, attentionCells: 4096 };
  test.each([
    ["are its bytes' and the prompt's", { query: "abcd", documents: ["abcdefgh", "abcd"] }, 25],
    ["are the instruction's, too, in each pair", { query: "abcd", documents: ["abcd", "abcd"], instruction: "abcdefgh" }, 28],
    ["count bytes, not letters", { query: "abcd", documents: ["äöüß"] }, 13],
    ["of a long document are the context's", { query: "abcd", documents: ["a".repeat(1_000_000)] }, 8192],
    [
      "of one that the request cuts are what it leaves",
      { query: "abcd", documents: ["a".repeat(1_000_000)], maxDocumentTokens: 500 },
      511,
    ],
  ])("%s", (_, request, tokens) => {
    expect(pairTokens(request, measures).reduce((sum, one) => sum + one)).toBe(tokens);
  });

  test.each<[string, string, true | PassageOptions, number[]]>([
    ["short one is one pair", "a".repeat(400), true, [111]],
    // 3,000 tokens in steps of 448.
    ["long one are those of its passages", "a".repeat(12_000), true, [523, 523, 523, 523, 523, 523, 323]],
    ["very long one end with the last passage that is read", "a".repeat(10_000_000), { max: 3 }, [523, 523, 523]],
    [
      "text of more passages than can wait end with one more",
      "a".repeat(100_000),
      { maxTokens: 1, max: 1e9 },
      Array(2001).fill(12),
    ],
    ["long one in small passages", "a".repeat(120), { maxTokens: 16, overlapTokens: 8 }, [27, 27, 25]],
    [
      "long one in passages as long as the context",
      "a".repeat(60_000),
      { maxTokens: 2 ** 20, max: 4, overlapTokens: 0 },
      [8192, 6830],
    ],
  ])("of a %s", (_, document, passages, expected) => {
    const [query, image] = ["abcd", { image: { data: "" } }];
    const vision = { maxTokens: 100, workPerToken: 1 };
    expect(pairTokens({ query, documents: [document, image], passages }, { ...measures, vision })).toEqual([...expected, 113]);
    expect(requestWork([{ query, documents: [document], passages }], measures)).toMatchObject([{ pairs: expected.length }]);
  });

  test("cost more the more there are before them in their pair", () => {
    const requests = [{ query: "abcd", documents: ["a".repeat(1_000_000), "abcd"] }];
    const [{ tokens, work, longest } = { tokens: 0, work: 0, longest: 0 }] = requestWork(requests, measures);
    expect([tokens, longest]).toEqual([8192 + 12, 8192]);
    // Each token attends to 4,096 others in the mean: that doubles the long one's work, and hardly adds to the short one's.
    expect(work).toBeCloseTo(2 * 8192 + 12, 0);
  });

  const page = { image: { data: plainPng({ width: 1240, height: 1654, colour: 0 }, [0]).toString("base64") } };
  const icon = {
    image: { data: `data:image/png;base64,${plainPng({ width: 224, height: 224, colour: 0 }, [0]).toString("base64")}` },
  };

  test("of images are those of their size, and each image is encoded once for all requests of a body", () => {
    const vision = { maxTokens: 768, workPerToken: 2.5 };
    const requests = [
      { query: icon, documents: [page, icon, "abcd"] },
      { query: "abcd", documents: [icon, { image: { data: "https://pages.example/a.png" } }] },
    ];
    const [first, second] = requestWork(requests, { ...measures, attentionCells: Number.POSITIVE_INFINITY, vision });
    const pairsOfFirst = [10 + 66 + 738, 10 + 66 + 66, 10 + 66 + 1];
    const tokens = pairsOfFirst.reduce((sum, one) => sum + one);
    expect(first).toEqual({ pairs: 3, tokens, work: tokens + 2.5 * (64 + 736), longest: 814, imageTokens: 64 + 736 });
    // What a URL leads to is not known: the most that an image may have.
    const ofSecond = 10 + 1 + 66 + (10 + 1 + 770);
    expect(second).toEqual({ pairs: 2, tokens: ofSecond, work: ofSecond + 2.5 * 768, longest: 781, imageTokens: 768 });
  });

  test.each([
    ["what is no image", "AAAA"],
    ["an empty text", ""],
    ["a strip that is refused", plainPng({ width: 28 * 201, height: 28, colour: 0 }, [0]).toString("base64")],
    ["a URL", "http://pages.example/a.png"],
  ])("of %s are the most, since nothing was decoded", (_, data) => {
    expect(imageTokens(data, 256)).toBe(256);
  });

  test("of images do not change what bytes are worth", () => {
    const bytesPerToken = new BytesPerToken();
    for (const request of [
      { query: "abcd", documents: ["abcd", page] },
      { query: page, documents: ["abcd"] },
    ]) {
      bytesPerToken.learn(request, 1000);
    }
    expect(bytesPerToken.value).toBe(4);
  });

  test("follow what bytes were worth lately", () => {
    const bytesPerToken = new BytesPerToken();
    // 100 letters of three bytes, each one a token.
    const request = { query: "机", documents: ["机".repeat(99)] };
    for (let times = 0; times < 100; times++) bytesPerToken.learn(request, 100 + 10);
    expect(bytesPerToken.value).toBeCloseTo(3, 1);
    expect(pairTokens(request, { ...measures, bytesPerToken: bytesPerToken.value })[0]).toBeCloseTo(110, -1);
  });

  test("of passages do not change what bytes are worth", () => {
    const bytesPerToken = new BytesPerToken();
    bytesPerToken.learn({ query: "abcd", documents: ["a".repeat(10_000)], passages: true }, 5000);
    expect(bytesPerToken.value).toBe(4);
  });

  test("and the instruction's bytes count in each pair", () => {
    const bytesPerToken = new BytesPerToken();
    const request = { query: "abcd", documents: ["abcd", "abcd"], instruction: "abcdefgh" };
    bytesPerToken.learn(request, 2 * (4 + 10));
    expect(bytesPerToken.value).toBe(4);
  });
});

test("what could not be answered in time is refused at once, instead of being tried until it is too late", async () => {
  await using service = await startTestService({ load: await randomModel(wideShape), requestTimeoutMs: 30_000 });
  const ask = (documents: string[]) => post(`${service.url}/rerank`, { query: "weather", documents });
  const controller = new AbortController();
  // Takes far longer than what follows needs to be refused, on any machine.
  const hundred = { query: "weather", documents: Array.from({ length: 100 }, (_, index) => text(2000, index)) };
  const running = post(`${service.url}/rerank`, hundred, { signal: controller.signal }).catch(() => undefined);
  // Admission learns the engine's speed from batches of more than a second.
  await until(() => service.reranker.stats().batches >= 1);
  const first = performance.now();
  await until(() => service.reranker.stats().batches >= 2 && performance.now() - first > 1100);
  const { jobsSubmitted } = service.reranker.stats();
  const answer = await ask(Array.from({ length: 100 }, (_, index) => text(2000, 500 + index)));
  expect([answer.status, service.reranker.stats().jobsSubmitted]).toEqual([429, jobsSubmitted]);
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  expect(await answer.json()).toMatchObject({
    error: { code: "queue_full", message: expect.stringContaining("tokens of 1 requests") },
  });
  controller.abort();
  await running;
});

test("more passages than can ever wait are refused for good, and fewer are scored", async () => {
  await using service = await startTestService({ load: { maxQueuedPairs: 20 } });
  const ask = (count: number) => {
    const documents = Array.from({ length: count }, (_, index) => text(300, index));
    const passages = { max_tokens: 30, overlap_tokens: 0, max: 6 };
    return post(`${service.url}/rerank`, { query: "weather", documents, passages });
  };
  expect((await ask(3)).status).toBe(200);
  const refused = await ask(4);
  expect([refused.status, await refused.json()]).toEqual([
    422,
    expect.objectContaining({ error: { code: "too_many_documents", message: expect.stringContaining("at most 20 passages") } }),
  ]);
});

test("while the queue is full, a request is refused before its body is read", async () => {
  await using service = await startTestService({ load: { ...(await randomModel(wideShape)), maxQueuedPairs: 8 } });
  const controller = new AbortController();
  const running = service.reranker.score({
    query: "a",
    documents: Array.from({ length: 8 }, (_, index) => text(2000, index)),
    signal: controller.signal,
  });
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
    context.lifecycle.ready(reranker);
    const server = Fastify();
    await server.register(async (fastify) => {
      await app(fastify, { context, playground: false, docs: false, metrics: true });
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
    // They fit only when nearly all held pairs are scored.
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
  test("refuses to score beside a request that runs, with Retry-After, scores one alone, and answers probes and metrics", async () => {
    const load = await randomModel(wideShape);
    await using service = await startTestService({ load, server: { maxRssBytes: 1 } });
    const ask = () => post(`${service.url}/rerank`, { query: "a", documents: ["b"] });
    const controller = new AbortController();
    const long = { query: "a", documents: longDocuments(90) };
    const running = post(`${service.url}/rerank`, long, { signal: controller.signal });
    const ended = expect(running).rejects.toThrow();
    await until(() => service.reranker.stats().pairsQueued > 0);
    // Memory is measured once a second.
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
    controller.abort();
    await ended;
    await until(() => service.service.context.admission.requests === 0);
    expect((await ask()).status).toBe(200);
  });
});
