/** The answers of each dialect, field by field. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServerContext } from "../../src/server/context.js";
import { createServer } from "../../src/server/create-server.js";
import { scoringPaths } from "../../src/server/routes/paths.js";
import { JinaResponse } from "../../src/wire/jina.js";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { json } from "../support/json.js";
import { randomModel, wideShape } from "../support/random-models.js";
import { text } from "../support/texts.js";
import { until } from "../support/until.js";

const query = "What is machine learning?";
const documents = [
  "The weather today is sunny and warm.",
  "Machine learning is a subset of artificial intelligence that enables computers to learn from data.",
  "Deep learning uses neural networks with multiple layers.",
];
const order = [1, 2, 0];
const uuid = /^[\da-f]{8}-([\da-f]{4}-){3}[\da-f]{12}$/;

let service: TestService;
let scores: Float32Array;
let logits: Float32Array;
let tokens: number;
beforeAll(async () => {
  service = await startTestService({ load: { contextSize: 256 } });
  const scored = await service.reranker.score({ query, documents });
  ({ scores, logits } = scored);
  tokens = scored.usage.totalTokens;
});
afterAll(() => service.service.stop());

const send = (path: string, body: object) => post(service.url + path, body);

async function answer(path: string, body: object): Promise<unknown> {
  const response = await send(path, body);
  expect(response.status).toBe(200);
  return response.json();
}

describe("Jina and Cohere v1", () => {
  test.each(scoringPaths.jina)("POST %s answers with the fields of Jina and Cohere", async (path) => {
    expect(await answer(path, { model: "anything", query, documents, top_n: 2 })).toEqual({
      id: expect.stringMatching(uuid),
      model: "test-model",
      object: "list",
      usage: { prompt_tokens: tokens, total_tokens: tokens, completion_tokens: 0 },
      results: order.slice(0, 2).map((index) => ({ index, relevance_score: scores[index] })),
      meta: {
        api_version: { version: "1" },
        billed_units: { search_units: 1 },
        tokens: { input_tokens: tokens, output_tokens: 0 },
      },
    });
  });

  test("documents come back only when asked for, as objects", async () => {
    const asked = await json(JinaResponse, await send("/v1/rerank", { query, documents, return_documents: "true" }));
    expect(asked.results.map(({ document }) => document)).toEqual(order.map((index) => ({ text: documents[index] })));
    for (const return_documents of [false, "false", null]) {
      const { results } = await json(JinaResponse, await send("/v1/rerank", { query, documents, return_documents }));
      expect(results.map(Object.keys)).toEqual(order.map(() => ["index", "relevance_score"]));
    }
  });
});

test("documents that came as objects come back with their fields", async () => {
  const objects = documents.map((text, id) => ({ id, text, tags: ["a", { b: null }], "odd \ud800": "\ud800" }));
  const sent = { query, documents: objects, rank_fields: ["text"] };
  const results = order.map((index) => ({ index, relevance_score: scores[index], document: objects[index] }));
  expect(await answer("/rerank", sent)).toMatchObject({ results });
  expect(await answer("/v1/rerank", { ...sent, return_documents: true })).toMatchObject({ results });
});

test("with passages the service's own dialect and Jina's say which one counts", async () => {
  const [weather = "", learning = ""] = documents;
  // The first character is two UTF-16 units and one of Unicode's.
  const long = `\u{1f31e} ${weather} ${learning} ${text(300, 7)}`;
  const options = { maxTokens: 30, overlapTokens: 0, max: 2 };
  const library = await service.reranker.rerank({ query, documents: [long, "short"], passages: options });
  const [best] = library.results;
  expect(best?.passage?.text).toContain("Machine learning is");
  const { start = 0, end = 0 } = best?.passage ?? {};
  expect(Array.from(long).slice(start, end).join("")).toBe(best?.passage?.text);
  const body = { query, documents: [{ id: 1, text: long }, "short"], passages: { max_tokens: 30, overlap_tokens: 0, max: 2 } };
  const results = library.results.map(({ index, score, passage }) => ({ index, relevance_score: score, passage }));
  const [first, ...more] = results;
  expect(await answer("/rerank", { ...body, return_documents: false })).toMatchObject({
    results: [{ ...first, truncated: true }, ...more],
  });
  expect(await answer("/v1/rerank", body)).toMatchObject({ results });
  const { passages, ...whole } = body;
  const chunks = { ...whole, max_chunks_per_doc: 2, max_tokens_per_doc: 30, overlap_tokens: 0 };
  const others = [
    ["/rerank", whole],
    ["/rerank", chunks],
    ["/v1/rerank", chunks],
    ["/v2/rerank", body],
  ] as const;
  for (const [path, sent] of others) expect(JSON.stringify(await answer(path, sent))).not.toContain('"passage"');
});

describe("Cohere v2", () => {
  test("answers without documents, even if the request asks for them", async () => {
    expect(await answer("/v2/rerank", { model: "rerank-v3.5", query, documents, top_n: 1, return_documents: true })).toEqual({
      id: expect.stringMatching(uuid),
      results: [{ index: 1, relevance_score: scores[1] }],
      meta: { api_version: { version: "2" }, billed_units: { search_units: 1 } },
    });
  });

  test("max_tokens_per_doc cuts the end of long documents only", async () => {
    const long = text(100, 1);
    const request = { query: "weather", documents: [long, "short"] };
    const cut = await service.reranker.score({ ...request, maxDocumentTokens: 10 });
    const whole = await service.reranker.score(request);
    expect(cut.droppedTokens[0]).toBeGreaterThan(0);
    expect(cut.droppedTokens[1]).toBe(0);
    const read = async (max_tokens_per_doc: unknown) => {
      const body = await answer("/v2/rerank", { ...request, max_tokens_per_doc });
      return new Map(
        Array.from(Reflect.get(Object(body), "results"), (result) => [
          Reflect.get(Object(result), "index"),
          Reflect.get(Object(result), "relevance_score"),
        ]),
      );
    };
    const expected = (from: Float32Array) => new Map(Array.from(from, (score, index) => [index, score]));
    expect(await read(10)).toEqual(expected(cut.scores));
    expect(await read(4096)).toEqual(expected(whole.scores));
    expect(await read(null)).toEqual(expected(whole.scores));
  });

  test.each([
    ["max_tokens_per_doc", 0, "max_tokens_per_doc: expected a whole number of at least 1, got 0"],
    ["max_tokens_per_doc", "ten", "max_tokens_per_doc: expected a whole number of at least 1, got a string"],
    ["priority", -1, "priority: expected a whole number from 0 to 999, got -1"],
    ["priority", 1000, "priority: expected a whole number from 0 to 999, got 1000"],
  ])("%s %j is refused", async (name, value, message) => {
    const response = await send("/v2/rerank", { query, documents, [name]: value });
    expect([response.status, await response.json()]).toEqual([400, expect.objectContaining({ message })]);
  });

  test("a request with priority 0 overtakes an earlier one with priority 999", async () => {
    await using busy = await startTestService({ load: await randomModel(wideShape) });
    const ended: string[] = [];
    const request = async (name: string, count: number, priority: number) => {
      const long = Array.from({ length: count }, (_, index) => text(300, 100 * count + index));
      const response = await post(`${busy.url}/v2/rerank`, { query: "weather", documents: long, priority });
      expect(response.status).toBe(200);
      ended.push(name);
    };
    const later = request("later", 30, 999);
    await until(() => busy.reranker.stats().batches > 0);
    await Promise.all([later, request("sooner", 2, 0)]);
    expect(ended).toEqual(["sooner", "later"]);
  });
});

describe("Text Embeddings Inference", () => {
  test("answers with a bare array, highest score first", async () => {
    expect(await answer("/rerank", { query, texts: documents })).toEqual(order.map((index) => ({ index, score: scores[index] })));
    expect(await answer("/rerank", { query, texts: documents, return_text: "true" })).toEqual(
      order.map((index) => ({ index, score: scores[index], text: documents[index] })),
    );
  });

  test("raw_scores are the logits", async () => {
    expect(await answer("/rerank", { query, texts: documents, raw_scores: true })).toEqual(
      order.map((index) => ({ index, score: logits[index] })),
    );
  });

  test("a text that does not fit is cut at its end, with Left at its start, and with truncate false is an error", async () => {
    const texts = [text(400, 5)];
    const ask = (more: object) => answer("/rerank", { query, texts, ...more });
    const cut = async (truncate: "end" | "start") => {
      const { scores, droppedTokens } = await service.reranker.score({ query, documents: texts, truncate });
      expect(droppedTokens[0]).toBeGreaterThan(0);
      return [{ index: 0, score: scores[0] }];
    };
    const [right, left] = [await cut("end"), await cut("start")];
    expect(right).not.toEqual(left);
    for (const more of [
      {},
      { truncate: true },
      { truncate: null },
      { truncation_direction: "Right" },
      { truncation_direction: "right" },
    ]) {
      expect(await ask(more)).toEqual(right);
    }
    for (const truncation_direction of ["Left", "left"])
      expect(await ask({ truncate: true, truncation_direction })).toEqual(left);

    const refused = await send("/rerank", { query, texts: ["short", ...texts], truncate: false });
    expect([refused.status, await refused.json()]).toEqual([
      422,
      { error: expect.stringMatching(/^texts\[1\]: takes more than the \d+ tokens/), error_type: "Validation" },
    ]);
    expect(await answer("/rerank", { query, texts: documents, truncate: "false" })).toHaveLength(3);
  });

  test("a wrong truncation_direction is refused in the dialect's own error shape", async () => {
    const refused = await send("/rerank", { query, texts: documents, truncation_direction: "Up" });
    expect([refused.status, await refused.json()]).toEqual([
      400,
      { error: "truncation_direction: expected Right or Left, got a string", error_type: "Validation" },
    ]);
  });

  test("a full queue answers 429 with error_type Overloaded", async () => {
    await using small = await startTestService({ load: { maxQueuedPairs: 2, ...(await randomModel(wideShape)) } });
    const controller = new AbortController();
    const running = small.reranker.score({ query, documents: [text(4000, 1)], signal: controller.signal }).catch(() => {});
    const full = await post(`${small.url}/rerank`, { query, texts: ["a", "b"] });
    expect([full.status, await full.json()]).toEqual([429, { error: expect.any(String), error_type: "Overloaded" }]);
    controller.abort();
    await running;
  });
});

describe("vLLM", () => {
  test("scores come in the order of the pairs; each query is scored with its own text", async () => {
    const queries = ["machine learning", "weather", "machine learning"];
    const paired = await Promise.all(
      queries.map(async (one, index) => {
        const { scores } = await service.reranker.score({ query: one, documents: [documents[index] ?? ""] });
        return scores[0];
      }),
    );
    for (const body of [
      { text_1: queries, text_2: documents },
      { queries, documents },
    ]) {
      expect(await answer("/v1/score", body)).toMatchObject({
        data: paired.map((score, index) => ({ index, object: "score", score })),
      });
    }
  });

  test("an object with parts stands for one text a part", async () => {
    const content = documents.map((part) => ({ type: "text", text: part }));
    expect(await answer("/score", { text_1: query, text_2: { content } })).toMatchObject({
      data: Array.from(scores, (score, index) => ({ index, score })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  });
});

describe("POST /rerank", () => {
  const kinds = {
    native: ["results", "query", "total_documents", "returned_documents", "model", "usage"],
    Jina: ["id", "model", "object", "usage", "results", "meta"],
    TEI: ["0", "1", "2"],
  };
  test.each([
    [{ documents }, "native"],
    [{ documents, top_k: 3, return_documents: false }, "native"],
    [{ documents, top_n: null, model: null, texts: null }, "native"],
    [{ documents, top_n: 0 }, "Jina"],
    [{ documents, model: "m" }, "Jina"],
    [{ documents, model: "" }, "Jina"],
    [{ texts: documents }, "TEI"],
    [{ texts: documents, model: "m", top_n: 1, documents }, "TEI"],
  ] as const)("case %#: %j is answered in the %s dialect", async (body, kind) => {
    const keys = Object.keys(Object(await answer("/rerank", { query, ...body })));
    expect(keys).toEqual(kinds[kind].slice(0, "top_n" in body && kind === "TEI" ? 1 : undefined));
  });
});

describe("the model's routes", () => {
  test("GET /info answers with the fields of Text Embeddings Inference", async () => {
    const response = await fetch(`${service.url}/info`);
    expect(await response.json()).toMatchObject({
      model_id: "test-model",
      model_type: { reranker: { id2label: { "0": "LABEL_0" }, label2id: { LABEL_0: 0 } } },
      max_concurrent_requests: 2000,
      max_input_length: 256,
      max_client_batch_size: 1000,
      max_batch_tokens: service.reranker.info.batchTokens,
      auto_truncate: true,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
  });

  test("GET /v1/models lists the model as OpenAI does", async () => {
    const response = await fetch(`${service.url}/v1/models`);
    expect(await response.json()).toEqual({
      object: "list",
      data: [{ id: "test-model", object: "model", created: expect.any(Number), owned_by: "jina-reranker" }],
    });
  });

  test("while the model loads /v1/models has its name, and /info answers 503", async () => {
    const server = createServer(new ServerContext({ modelName: "m", requestTimeoutMs: 1000, bodyLimitBytes: 1000 }));
    expect((await server.inject("/v1/models")).json()).toMatchObject({ data: [{ id: "m" }] });
    const info = await server.inject("/info");
    expect([info.statusCode, info.json()]).toEqual([503, { error: expect.any(String), error_type: "Unhealthy" }]);
    expect(Number(info.headers["retry-after"])).toBeGreaterThan(0);
  });
});
