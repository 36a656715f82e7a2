import { describe, expect, test, vi } from "vitest";
import { RerankError } from "../../src/errors.js";
import { EngineHealth } from "../../src/server/engine-health.js";
import { demoModel, post, startTestService } from "../support/demo-service.js";
import { overflowingHead } from "../support/heads.js";
import { randomModel, wideShape } from "../support/random-models.js";
import { text } from "../support/texts.js";
import { until } from "../support/until.js";

const body = { query: "weather", documents: ["sunny"] };

/** The figures of an engine that was just loaded. */
const idle = {
  ...{
    jobsSubmitted: 0,
    jobsCompleted: 0,
    jobsFailed: 0,
    jobsCancelled: 0,
    pairsScored: 0,
    pairsDropped: 0,
    documentsKept: 0,
    pairsQueued: 0,
    tokensQueued: 0,
    workQueued: 0,
    workDone: 0,
  },
  ...{
    tokensComputed: 0,
    tokensPadding: 0,
    batches: 0,
    tokensReused: 0,
    pairsWarm: 0,
    pairsRepeated: 0,
    cacheBytes: 0,
    cacheEntries: 0,
    imagesEncoded: 0,
    imageEncodeMs: 0,
    imagesReused: 0,
    imageCacheBytes: 0,
    imageCacheEntries: 0,
    documentsRestored: 0,
    documentsStored: 0,
    storeFailures: 0,
    storeBytes: 0,
  },
};

describe("the engine's health", () => {
  const broken = new RerankError("engine_error", "decode failed");
  function engineHealth() {
    let now = 0;
    const health = new EngineHealth({ probe: async () => {}, stallMs: 120_000, now: () => now });
    return { health, pass: (ms: number) => (now += ms) };
  }

  test("is lost with three failures in a row, and one success brings it back", () => {
    const { health } = engineHealth();
    health.failed(broken);
    health.failed(broken);
    expect(health.failure(idle)).toBeUndefined();
    health.failed(broken);
    expect(health.failure(idle)).toBe("the last 3 scores failed; engine_error: decode failed");
    health.succeeded();
    expect(health.failure(idle)).toBeUndefined();
  });

  test("is kept when successes come between", () => {
    const { health } = engineHealth();
    for (let times = 0; times < 10; times++) {
      health.failed(broken);
      health.failed(broken);
      health.succeeded();
    }
    expect(health.failure(idle)).toBeUndefined();
  });

  test.each(["queue_full", "timeout", "client_closed", "query_too_long", "closed"] as const)("is not judged by %s", (code) => {
    const { health } = engineHealth();
    for (let times = 0; times < 10; times++) health.failed(new RerankError(code, "…"));
    health.failed(new Error("not of the engine"));
    expect(health.failure(idle)).toBeUndefined();
  });

  test("is lost while pairs wait and no batch ends for too long, and comes back when one does", () => {
    const { health, pass } = engineHealth();
    const waiting = { ...idle, pairsQueued: 7, batches: 3 };
    expect(health.failure(waiting)).toBeUndefined();
    pass(119_999);
    expect(health.failure(waiting)).toBeUndefined();
    pass(1);
    expect(health.failure(waiting)).toBe("no batch ended for 120 s while 7 pairs wait");
    expect(health.failure({ ...waiting, batches: 4 })).toBeUndefined();
    pass(1_000_000);
    expect(health.failure(idle)).toBeUndefined();
  });
});

describe("an engine that was idle", () => {
  test("is not taken for one that hangs by the first request after a long gap", () => {
    let now = 0;
    const health = new EngineHealth({ probe: async () => {}, stallMs: 120_000, now: () => now });
    expect(health.failure(idle)).toBeUndefined();
    // No request and no probe comes in.
    now += 3_600_000;
    health.starting(idle);
    const running = { ...idle, jobsSubmitted: 1, pairsQueued: 1 };
    expect(health.failure(running)).toBeUndefined();
    now += 119_999;
    expect(health.failure(running)).toBeUndefined();
    // A second request is no progress of the first.
    health.starting(running);
    now += 1;
    expect(health.failure({ ...running, jobsSubmitted: 2, pairsQueued: 2 })).toContain("no batch ended for 120 s");
  });
});

test("an engine that hangs is found out although its requests end one by one, by their time limit", () => {
  let now = 0;
  const health = new EngineHealth({ probe: async () => {}, stallMs: 120_000, now: () => now });
  const hanging = { ...idle, jobsSubmitted: 10, pairsQueued: 10, batches: 3 };
  for (now = 0; now < 120_000; now += 40_000) {
    expect(health.failure({ ...hanging, jobsCancelled: now / 40_000 })).toBeUndefined();
  }
  expect(health.failure({ ...hanging, jobsCancelled: 5 })).toBe("no batch ended for 120 s while 10 pairs wait");
});

describe("a drain with an engine that fails", () => {
  test("tries it no more, and ends without an unhandled rejection", async () => {
    vi.useFakeTimers();
    try {
      let tries = 0;
      const health = new EngineHealth({
        // Throws before there is a promise, as the server's own probe does while the server drains.
        probe: () => {
          tries += 1;
          throw new RerankError("draining", "the server is shutting down");
        },
        stallMs: 120_000,
      });
      const broken = new RerankError("engine_error", "decode failed");
      for (let times = 0; times < 3; times++) health.failed(broken);
      await vi.advanceTimersByTimeAsync(2000);
      expect(tries).toBe(2);
      health.stop();
      // Requests that were in flight when draining began fail too.
      health.failed(broken);
      await vi.advanceTimersByTimeAsync(5000);
      expect(tries).toBe(2);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("/ready", () => {
  test("says draining as soon as the server drains, also while requests are still taken", async () => {
    await using service = await startTestService();
    expect((await fetch(`${service.url}/ready`)).status).toBe(200);
    service.service.context.drain({ refuse: false });
    const answer = await fetch(`${service.url}/ready`);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "2"]);
    expect(await answer.json()).toMatchObject({ error: { code: "draining" } });
    expect((await post(`${service.url}/rerank`, body)).status).toBe(200);
  });

  test("stays 200 and answers at once while the queue is full", async () => {
    await using service = await startTestService({ load: { ...(await randomModel(wideShape)), maxQueuedPairs: 8 } });
    const controller = new AbortController();
    const documents = Array.from({ length: 8 }, (_, index) => text(2000, index));
    const running = service.reranker.score({ query: "a", documents, signal: controller.signal });
    const ended = expect(running).rejects.toThrow();
    expect((await post(`${service.url}/rerank`, body)).status).toBe(429);
    const answer = await fetch(`${service.url}/ready`);
    expect([answer.status, await answer.json()]).toEqual([200, { status: "ready" }]);
    // The answer came before they ended.
    expect(service.reranker.stats().pairsQueued).toBeGreaterThan(0);
    controller.abort();
    await ended;
  });
});

describe("/health", () => {
  test("turns to failed with the reason when every score fails, while the process and its metrics still answer", async () => {
    const { modelPath } = await demoModel();
    await using service = await startTestService({ load: { modelPath, headPath: await overflowingHead(256) } });
    const health = () => fetch(`${service.url}/health`);
    expect((await health()).status).toBe(200);
    for (let times = 0; times < 3; times++) expect((await post(`${service.url}/rerank`, body)).status).toBe(500);
    const failed = await health();
    expect(failed.status).toBe(503);
    expect(await failed.json()).toMatchObject({ status: "failed", reason: expect.stringContaining("invalid_score") });
    expect((await fetch(`${service.url}/ready`)).status).toBe(503);
    for (const route of ["/ping", "/metrics"]) expect((await fetch(service.url + route)).status).toBe(200);
    // Without any request the engine is still tried, and works again.
    const { jobsFailed } = service.reranker.stats();
    await until(() => service.reranker.stats().jobsFailed > jobsFailed);
    expect((await health()).status).toBe(503);
  });

  test("comes back by itself when the engine works again, without a request", async () => {
    await using service = await startTestService();
    const { health } = service.service.context;
    for (let times = 0; times < 3; times++) health.failed(new RerankError("engine_error", "decode failed"));
    expect((await fetch(`${service.url}/health`)).status).toBe(503);
    await until(() => service.service.context.state.status === "ready");
    expect((await fetch(`${service.url}/health`)).status).toBe(200);
    expect(service.reranker.stats().jobsCompleted).toBe(1);
  });

  test("does not wait behind a batch", async () => {
    await using service = await startTestService({ load: { ...(await randomModel(wideShape)), batchTokens: 8192 } });
    const { stats } = service.reranker;
    const now = () => stats.call(service.reranker);
    const controller = new AbortController();
    const documents = Array.from({ length: 60 }, (_, index) => text(3000, index));
    const dropped = post(`${service.url}/rerank`, { query: "a", documents }, { signal: controller.signal });
    await until(() => now().pairsQueued === 60);
    for (let times = 0; times < 20; times++) expect((await fetch(`${service.url}/health`)).status).toBe(200);
    // All probes were answered before the first batch, of at least one document, was done.
    expect(now().batches).toBe(0);
    controller.abort();
    await expect(dropped).rejects.toThrow();
  });
});
