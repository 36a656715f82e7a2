/** What the library tells subscribers of Node's diagnostics channels about each request. */

import { tracingChannel } from "node:diagnostics_channel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Reranker } from "../../src/reranker.js";
import type { ScoreTrace } from "../../src/types.js";
import { demoModel } from "../support/demo-service.js";

const channel = tracingChannel<ScoreTrace, ScoreTrace>("jina-reranker:score");

let reranker: Reranker;
beforeAll(async () => {
  reranker = await Reranker.load({ ...(await demoModel()), gpuLayers: 0, threads: 1 });
});
afterAll(() => reranker.close());

/** The events of what `run` does, in order. */
async function eventsOf(run: () => Promise<unknown>) {
  const events: { readonly name: string; readonly message: ScoreTrace }[] = [];
  const told = (name: string) => (message: ScoreTrace) => void events.push({ name, message });
  const subscribers = {
    start: told("start"),
    end: told("end"),
    asyncStart: told("asyncStart"),
    asyncEnd: told("asyncEnd"),
    error: told("error"),
  };
  channel.subscribe(subscribers);
  try {
    await run().catch(() => {});
  } finally {
    channel.unsubscribe(subscribers);
  }
  return { names: events.map(({ name }) => name), messages: events.map(({ message }) => message) };
}

const request = { query: "a secret query", documents: ["a secret document", "another"] };

test.each(["score", "rerank"] as const)(
  "%s tells once of its start and its end, with figures and without a text",
  async (method) => {
    const { names, messages } = await eventsOf(() => reranker[method](request));
    expect(names).toEqual(["start", "end", "asyncStart", "asyncEnd"]);
    expect(new Set(messages).size).toBe(1);
    expect(messages[0]).toMatchObject({
      documents: 2,
      result: { usage: { totalTokens: expect.any(Number) }, timings: { computeMs: expect.any(Number) } },
    });
    expect(JSON.stringify(messages)).not.toMatch(/secret|another/);
  },
);

test("a request that fails tells its error", async () => {
  const reason = new Error("enough");
  const { names, messages } = await eventsOf(() => reranker.score({ ...request, signal: AbortSignal.abort(reason) }));
  expect(names).toEqual(["start", "end", "error", "asyncStart", "asyncEnd"]);
  expect(messages[0]).toMatchObject({ documents: 2, error: reason });
});

test("a request that is refused as wrong never starts", async () => {
  expect((await eventsOf(() => reranker.score({ ...request, query: "" }))).names).toEqual([]);
});

test("requests side by side have a message each", async () => {
  const { messages } = await eventsOf(() =>
    Promise.all([reranker.score(request), reranker.score({ ...request, documents: ["one"] })]),
  );
  const each = [...new Set(messages)];
  expect(each.map(({ documents }) => documents).toSorted()).toEqual([1, 2]);
  expect(each.every(({ result }) => result !== undefined)).toBe(true);
});
