/** Cancelling, closing, and what happens after each. */

import { getEventListeners } from "node:events";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { RerankError } from "../../src/errors.js";
import { Reranker } from "../../src/reranker.js";
import type { LoadOptions } from "../../src/types.js";
import { type ModelFiles, randomModel, wideShape } from "../support/random-models.js";
import { mixedDocuments } from "../support/texts.js";
import { until } from "../support/until.js";

const query = "how do machines learn?";
let files: ModelFiles;
let reranker: Reranker | undefined;

beforeAll(async () => {
  files = await randomModel(wideShape);
});
afterEach(async () => {
  await reranker?.close();
  reranker = undefined;
});

async function load(options: Partial<LoadOptions> = {}): Promise<Reranker> {
  reranker = await Reranker.load({ ...files, contextSize: 2048, batchTokens: 64, gpuLayers: 0, ...options });
  return reranker;
}

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "resolved",
    (error: unknown) => (error instanceof RerankError ? error.code : String(error)),
  );
}

/** Resolves once the engine has run at least one batch. */
async function firstBatch(engine: Reranker): Promise<void> {
  await until(() => engine.stats().batches > 0);
}

describe("aborting a signal", () => {
  it("rejects with its reason and drops the pairs not yet computed", async () => {
    const engine = await load();
    const controller = new AbortController();
    const running = engine.score({ query, documents: mixedDocuments(100, 100, 400, 1), signal: controller.signal });
    await firstBatch(engine);
    controller.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    expect(engine.stats()).toMatchObject({ pairsQueued: 0, jobsCancelled: 1 });
    expect(engine.stats().pairsDropped).toBeGreaterThan(50);
    // The dropped pairs do not delay the next request.
    expect((await engine.score({ query, documents: ["next"] })).scores).toHaveLength(1);
  });

  it("before the request was queued, queues nothing", async () => {
    const engine = await load();
    await expect(engine.score({ query, documents: ["a"], signal: AbortSignal.abort(new Error("never")) })).rejects.toThrow(
      "never",
    );
    expect(engine.stats().jobsSubmitted).toBe(0);
  });

  it("after the answer, does nothing, and no listener is left on the signal", async () => {
    const engine = await load();
    const controller = new AbortController();
    await engine.score({ query, documents: ["a"], signal: controller.signal });
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    controller.abort();
    expect(engine.stats().jobsCancelled).toBe(0);
  });

  it("of one request does not change another's scores", async () => {
    const engine = await load();
    const documents = mixedDocuments(5, 10, 200, 2);
    const { scores: expected } = await engine.score({ query, documents });
    const controller = new AbortController();
    const aborted = codeOf(engine.score({ query, documents: mixedDocuments(30, 100, 900, 3), signal: controller.signal }));
    const kept = engine.score({ query, documents });
    await firstBatch(engine);
    controller.abort();
    expect(await aborted).toContain("AbortError");
    expect((await kept).scores).toEqual(expected);
  });
});

describe("the queue", () => {
  it("refuses a request that does not fit whole, and takes the next one that does", async () => {
    const engine = await load({ maxQueuedPairs: 40 });
    const first = engine.score({ query, documents: mixedDocuments(30, 100, 200, 4) });
    expect(await codeOf(engine.score({ query, documents: mixedDocuments(40, 1, 5, 5) }))).toBe("queue_full");
    const small = engine.score({ query, documents: mixedDocuments(10, 1, 5, 6) });
    expect((await first).scores).toHaveLength(30);
    expect((await small).scores).toHaveLength(10);
    expect(engine.stats().pairsQueued).toBe(0);
  });
});

describe("closing", () => {
  it("during a decode fails what waits with `closed` and neither hangs nor crashes", async () => {
    const engine = await load();
    const waiting = [1, 2, 3].map((seed) => codeOf(engine.score({ query, documents: mixedDocuments(50, 100, 300, seed) })));
    await firstBatch(engine);
    await engine.close();
    expect(await Promise.all(waiting)).toEqual(["closed", "closed", "closed"]);
  });

  it("is idempotent, and every method after it fails with `closed`", async () => {
    const engine = await load();
    await Promise.all([engine.close(), engine.close()]);
    await engine.close();
    expect(await codeOf(engine.score({ query, documents: ["a"] }))).toBe("closed");
    expect(await codeOf(engine.rerank({ query, documents: ["a"] }))).toBe("closed");
    expect(engine.stats().pairsQueued).toBe(0);
    expect(engine.info.layers).toBe(wideShape.layers);
  });

  it("happens at the end of an `await using` block", async () => {
    let outside: Reranker;
    {
      await using engine = await Reranker.load({ ...files, contextSize: 256, gpuLayers: 0 });
      outside = engine;
      await engine.score({ query, documents: ["a"] });
    }
    expect(await codeOf(outside.score({ query, documents: ["a"] }))).toBe("closed");
  });
});
