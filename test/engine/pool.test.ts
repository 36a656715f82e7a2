/** Several engines behind one queue: two or three on the CPU, each with its own copy of a model. */

import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Engine, EngineOptions, NativeErrorCode } from "../../binding.js";
import { EnginePool, type PooledEngine } from "../../src/engine/pool.js";
import { readScoreHead } from "../../src/model/head.js";
import { native } from "../../src/native/index.js";
import { Reranker } from "../../src/reranker.js";
import type { LoadOptions } from "../../src/types.js";
import { demoModel, startTestService } from "../support/demo-service.js";
import { FaultyEngine } from "../support/faulty-engine.js";
import { type ModelFiles, randomModel, wideShape } from "../support/random-models.js";
import { mixedDocuments } from "../support/texts.js";
import { until } from "../support/until.js";

const query = "how do machines learn?";
let files: ModelFiles;
let options: EngineOptions;
let close: (() => Promise<void>)[] = [];

beforeAll(async () => {
  files = await randomModel({ ...wideShape, layers: 2 });
  options = {
    modelPath: files.modelPath,
    head: await readScoreHead(files.headPath),
    ...{ backend: "auto", device: "CPU", contextSize: 1024, batchTokens: 64, gpuLayers: 0, threads: 1 },
    ...{ reproducible: "auto", kvType: "f16", maxQueuedPairs: 1000, documentCacheBytes: 2 ** 26 },
    ...{ scoreCacheBytes: 0, deduplicate: true },
  };
});

afterEach(async () => {
  await Promise.all(close.map((action) => action()));
  close = [];
});

async function load(more: Partial<LoadOptions> = {}): Promise<Reranker> {
  const common = { contextSize: 1024, batchTokens: 64, gpuLayers: 0, threads: 1, scoreCacheMb: 0 };
  const reranker = await Reranker.load({ ...files, ...common, ...more });
  close.push(() => reranker.close());
  return reranker;
}

async function engine(): Promise<Engine> {
  const loaded = await native.Engine.load(options);
  close.push(() => loaded.close());
  return loaded;
}

function pairsOf(engines: readonly PooledEngine[]): number[] {
  return engines.map((each) => each.stats().pairsScored);
}

describe("several engines", () => {
  test("give the scores that one gives, in document order, and share the work", async () => {
    const documents = mixedDocuments(40, 5, 80, 1);
    const one = await load();
    const three = await load({ gpus: ["cpu", "cpu", "cpu"] });
    expect((await three.score({ query, documents })).scores).toEqual((await one.score({ query, documents })).scores);
    const results = await three.rerank({ query, documents, topK: 5 });
    expect(results.results).toEqual((await one.rerank({ query, documents, topK: 5 })).results);
    expect(results.usage).toEqual((await one.rerank({ query, documents })).usage);
    expect(three.stats()).toMatchObject({ pairsScored: 80, pairsQueued: 0 });
    expect(three.stats().jobsSubmitted).toBe(6);
    // They divide the document cache, and have all else of their own.
    const { device = "", weights = 0, compute = 0 } = one.info.memory[0] ?? {};
    const memory = [{ device, weights: 3 * weights, compute: 3 * compute, pages: expect.any(Number), vision: 0 }];
    expect(three.info).toEqual({ ...one.info, memory });
    expect(three.devices).toEqual(Array.from({ length: 3 }, () => ({ device: "CPU", status: "ok" })));
  });

  test("are taken by what waits in them: a batch behind, and a document goes where less is to do", async () => {
    const engines = [await engine(), await engine()];
    const pool = new EnginePool(engines, 1000);
    // All have the same home; a batch is 64 tokens.
    const document = mixedDocuments(1, 40, 40, 2)[0] ?? "";
    await pool.submit({ query, documents: [document] }).result;
    const [first = 0, second = 0] = pairsOf(engines);
    expect([first, second].sort()).toEqual([0, 1]);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => pool.submit({ query: `${query} ${index}`, documents: [document] }).result),
    );
    expect(Math.min(...pairsOf(engines))).toBeGreaterThan(5);
  });

  test("send a document that comes again to the engine that has it in its cache", async () => {
    const documents = mixedDocuments(12, 30, 40, 3);
    const reranker = await load({ gpus: ["cpu", "cpu"], batchTokens: 1024, contextSize: 1024 });
    await reranker.score({ query, documents });
    expect(reranker.stats().pairsWarm).toBe(0);
    const { timings } = await reranker.score({ query: "and what is baking?", documents: documents.toReversed() });
    expect(reranker.stats().pairsWarm).toBe(12);
    expect(timings.reusedTokens).toBeGreaterThan(timings.computedTokens);
  });

  test("share one limit: what does not fit is refused whole", async () => {
    const reranker = await load({ gpus: ["cpu", "cpu"], maxQueuedPairs: 30 });
    const running = reranker.score({ query, documents: mixedDocuments(25, 60, 80, 4) });
    await expect(reranker.score({ query, documents: mixedDocuments(30, 5, 5, 5) })).rejects.toMatchObject({ code: "queue_full" });
    const submitted = reranker.stats().jobsSubmitted;
    expect((await running).scores).toHaveLength(25);
    expect(reranker.stats()).toMatchObject({ pairsScored: 25, jobsSubmitted: submitted, jobsCancelled: 0 });
  });

  test("all drop what a cancelled request has in them", async () => {
    const reranker = await load({ gpus: ["cpu", "cpu"] });
    const controller = new AbortController();
    const running = reranker.score({ query, documents: mixedDocuments(100, 100, 300, 6), signal: controller.signal });
    await until(() => reranker.stats().batches > 1);
    controller.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    await until(() => reranker.stats().pairsQueued === 0);
    expect(reranker.stats()).toMatchObject({ jobsCancelled: 2, jobsCompleted: 0 });
    expect((await reranker.score({ query, documents: ["next"] })).scores).toHaveLength(1);
  });

  test("are closed together, and what waits fails with closed", async () => {
    const reranker = await load({ gpus: ["cpu", "cpu"] });
    const running = reranker.score({ query, documents: mixedDocuments(100, 100, 300, 7) });
    const failed = expect(running).rejects.toMatchObject({ code: "closed" });
    await until(() => reranker.stats().batches > 0);
    await Promise.all([reranker.close(), reranker.close()]);
    await failed;
    await expect(reranker.score({ query, documents: ["a"] })).rejects.toMatchObject({ code: "closed" });
  });

  test("a document that is too long is named by its place in the request", async () => {
    const reranker = await load({ gpus: ["cpu", "cpu"], contextSize: 64 });
    const documents = [...mixedDocuments(9, 3, 9, 8), "long ".repeat(200)];
    await expect(reranker.score({ query, documents, truncate: "never" })).rejects.toMatchObject({
      code: "document_too_long",
      message: expect.stringMatching(/^documents\[9\]: /),
    });
  });

  test("a query that is too long is the client's fault, whatever the number of engines", async () => {
    const reranker = await load({ gpus: ["cpu", "cpu"], contextSize: 64 });
    const long = { query: "long ".repeat(200), documents: mixedDocuments(8, 3, 9, 8) };
    await expect(reranker.score(long)).rejects.toMatchObject({ code: "query_too_long" });
    expect(reranker.devices.map(({ status }) => status)).toEqual(["ok", "ok"]);
  });
});

describe("a device that fails", () => {
  const documents = mixedDocuments(16, 5, 40, 9);

  async function pool(broken: NativeErrorCode) {
    const faulty = new FaultyEngine(await engine());
    const sound = await engine();
    const expected = await sound.submit({ query, documents }).result;
    faulty.broken = broken;
    return { pool: new EnginePool([faulty, sound], 1000), faulty, sound, expected };
  }

  test("with an engine error: its documents go to the others; the second time in a row it is taken out, with the reason", async () => {
    const { pool: engines, faulty, expected } = await pool("engine_error");
    expect((await engines.submit({ query, documents }).result).scores).toEqual(expected.scores);
    expect(engines.devices.map(({ status }) => status)).toEqual(["ok", "ok"]);
    expect((await engines.submit({ query, documents }).result).scores).toEqual(expected.scores);
    expect(engines.devices).toEqual([
      { device: "CPU", status: "failed", reason: "engine_error: the device fell off the bus" },
      { device: "CPU", status: "ok" },
    ]);
    const before = faulty.stats().jobsSubmitted;
    expect((await engines.submit({ query, documents }).result).scores).toEqual(expected.scores);
    expect(faulty.stats().jobsSubmitted).toBe(before);
  });

  test("once, and works again, stays", async () => {
    const { pool: engines, faulty } = await pool("engine_error");
    for (const broken of ["engine_error", undefined, "engine_error", undefined] as const) {
      faulty.broken = broken;
      await engines.submit({ query, documents }).result;
    }
    expect(engines.devices.map(({ status }) => status)).toEqual(["ok", "ok"]);
  });

  test("with scores that are not numbers is taken out at once", async () => {
    const { pool: engines, expected } = await pool("invalid_score");
    expect((await engines.submit({ query, documents }).result).scores).toEqual(expected.scores);
    expect(engines.devices.map(({ status }) => status)).toEqual(["failed", "ok"]);
  });

  test("is told to all who listen, and to nobody who no longer does", async () => {
    const { pool: engines } = await pool("invalid_score");
    const told: string[] = [];
    engines.onFailed(({ device }) => told.push(`first ${device}`));
    engines.onFailed(({ device }) => told.push(`second ${device}`));
    const leave = engines.onFailed(() => told.push("left"));
    leave();
    await engines.submit({ query, documents }).result;
    expect(told).toEqual(["first CPU", "second CPU"]);
  });

  test("and is taken out, has what waits in it done by the others", async () => {
    const { pool: engines, expected } = await pool("invalid_score");
    const many = Array.from({ length: 10 }, () => engines.submit({ query, documents }).result);
    for (const { scores } of await Promise.all(many)) expect(scores).toEqual(expected.scores);
    expect(engines.devices.map(({ status }) => status)).toEqual(["failed", "ok"]);
    expect(engines.stats().pairsQueued).toBe(0);
  });

  test("is not blamed for a request that no engine can do, and the last one is never taken out", async () => {
    const both = [new FaultyEngine(await engine()), new FaultyEngine(await engine())];
    const engines = new EnginePool(both, 1000);
    for (const each of both) each.broken = "invalid_score";
    for (let time = 0; time < 3; time += 1) {
      await expect(engines.submit({ query, documents }).result).rejects.toMatchObject({ code: "invalid_score" });
    }
    expect(engines.devices.map(({ status }) => status)).toEqual(["ok", "ok"]);
    for (const each of both) each.broken = undefined;
    expect((await engines.submit({ query, documents }).result).scores).toHaveLength(16);
  });
});

test("/health lists the devices", async () => {
  await using service = await startTestService({ load: { gpus: ["cpu", "cpu"] } });
  const health: unknown = await (await fetch(`${service.url}/health`)).json();
  expect(health).toMatchObject({
    status: "ok",
    device: "CPU",
    devices: [
      { device: "CPU", status: "ok" },
      { device: "CPU", status: "ok" },
    ],
  });
});

test("a GPU that is not there stops the start, by the number that was asked for", async () => {
  const gpus = native.backends().devices.filter(({ type }) => type === "gpu" || type === "igpu").length;
  const load = Reranker.load({ ...(await demoModel()), gpus: [gpus] });
  await expect(load).rejects.toMatchObject({
    code: "invalid_option",
    message: expect.stringMatching(`^gpus: expected .*cpu.*, got ${gpus}$`),
  });
});
