import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { errorTable, RerankError } from "../../src/errors.js";
import { Reranker } from "../../src/reranker.js";
import { ServerContext } from "../../src/server/context.js";
import { createServer } from "../../src/server/create-server.js";
import { NativeResponse } from "../../src/wire/native.js";
import { ErrorBody } from "../../src/wire/schemas.js";
import { demoModel, post, startTestService, type TestService } from "../support/demo-service.js";
import { otherFaults } from "../support/error-codes.js";
import { overflowingHead } from "../support/heads.js";
import { json } from "../support/json.js";
import { randomModel, wideShape } from "../support/random-models.js";
import { text } from "../support/texts.js";
import { until } from "../support/until.js";

const machineLearning = {
  query: "What is machine learning?",
  documents: [
    "The weather today is sunny and warm.",
    "Machine learning is a subset of artificial intelligence that enables computers to learn from data.",
    "Deep learning uses neural networks with multiple layers.",
  ],
};
/** Many seconds of work on the wide random model, so that it can be cancelled while it runs. */
const longWork = { query: "weather", documents: Array.from({ length: 60 }, (_, index) => text(400, index)) };

/** Codes that a test below saw over HTTP. */
const seen = new Set<string>();

async function failure(response: Response) {
  const body = await json(ErrorBody, response);
  seen.add(body.error.code);
  return { status: response.status, ...body };
}

async function expectFailure(response: Response, code: keyof typeof errorTable, message: string | RegExp) {
  const body = await failure(response);
  expect(body).toEqual({
    status: errorTable[code].status,
    error: { code, message: expect.stringMatching(message) },
    detail: body.error.message,
    message: body.error.message,
  });
}

describe("POST /rerank", () => {
  let service: TestService;
  const rerank = (body: unknown, init?: RequestInit) => post(`${service.url}/rerank`, body, init);
  beforeAll(async () => {
    service = await startTestService({ bodyLimitBytes: 2 ** 20, load: { contextSize: 256 } });
  });
  afterAll(() => service.service.stop());

  test("ranks documents, highest score first, and returns every one with its text by default", async () => {
    const response = await rerank(machineLearning);
    expect(response.status).toBe(200);
    const body = await json(NativeResponse, response);
    expect(body).toEqual({
      results: [1, 2, 0].map((index) => ({
        index,
        relevance_score: expect.any(Number),
        document: machineLearning.documents[index],
      })),
      query: machineLearning.query,
      total_documents: 3,
      returned_documents: 3,
      model: "test-model",
      usage: { prompt_tokens: expect.any(Number), total_tokens: body.usage.prompt_tokens },
    });
    const scores = body.results.map(({ relevance_score }) => relevance_score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  });

  test("gives the scores of the library, to the last bit", async () => {
    const { scores } = await service.reranker.score(machineLearning);
    const body = await json(NativeResponse, await rerank(machineLearning));
    expect(body.results).toHaveLength(scores.length);
    for (const { index, relevance_score } of body.results) expect(relevance_score).toBe(scores[index]);
  });

  test.each([
    [1, 1],
    [2, 2],
    [0, 3],
    [null, 3],
    [99, 3],
    [2.0, 2],
  ])("top_k %j returns %i of three", async (top_k, expected) => {
    const body = await json(NativeResponse, await rerank({ ...machineLearning, top_k }));
    expect(body.results).toHaveLength(expected);
    expect(body).toMatchObject({ total_documents: 3, returned_documents: expected });
  });

  test.each([
    [true, true],
    ["true", true],
    [null, true],
    [false, false],
    ["false", false],
  ])("return_documents %j: documents come back: %j", async (return_documents, expected) => {
    const { results } = await json(NativeResponse, await rerank({ ...machineLearning, return_documents }));
    expect(results.map((result) => "document" in result)).toEqual(machineLearning.documents.map(() => expected));
  });

  test("unknown fields are ignored", async () => {
    expect((await rerank({ ...machineLearning, user: "x", encoding_format: { odd: [] } })).status).toBe(200);
  });

  test("query and documents may be objects with text or content, and score as their text does", async () => {
    const [first, second, third] = machineLearning.documents;
    const plain = await json(NativeResponse, await rerank({ ...machineLearning, return_documents: false }));
    const wrapped = await rerank({
      return_documents: false,
      query: { text: machineLearning.query },
      documents: [first, { text: second }, { content: [{ type: "text", text: third }] }],
    });
    expect(await json(NativeResponse, wrapped)).toEqual(plain);
  });

  test("a document that is cut to fit says so, and no other does", async () => {
    const { results } = await json(NativeResponse, await rerank({ query: "weather", documents: ["short", text(600, 1)] }));
    const flags = results.map(({ index, truncated }) => [index, truncated]);
    expect(flags.toSorted()).toEqual([
      [0, undefined],
      [1, true],
    ]);
  });

  test.each(["nul \0 inside", "<|box_end|><|im_start|>", "🙂 漢字 שלום", "   ", ""])(
    "the document %j is scored and comes back as it was",
    async (document) => {
      const response = await rerank({ query: "anything", documents: [document] });
      expect(response.status).toBe(200);
      const { results } = await json(NativeResponse, response);
      expect(results[0]?.document).toBe(document);
    },
  );

  test("the answer carries the request's id, and how long each step took", async () => {
    const response = await rerank(machineLearning, { headers: { "content-type": "application/json", "x-request-id": "abc-1" } });
    expect(response.headers.get("x-request-id")).toBe("abc-1");
    expect(response.headers.get("server-timing")).toMatch(
      /^queue;dur=[\d.]+, tokenize;dur=[\d.]+, compute;dur=[\d.]+, total;dur=[\d.]+, computed;desc="\d+", reused;desc="\d+"$/,
    );
    const odd = await rerank(machineLearning, { headers: { "content-type": "application/json", "x-request-id": "a b\t" } });
    expect(odd.headers.get("x-request-id")).toMatch(/^[\da-f-]{36}$/);
  });

  test("one line is logged per request, with numbers and without a word of the query or a document", async () => {
    const before = service.log.length;
    const id = "log-test";
    await (await rerank(machineLearning, { headers: { "content-type": "application/json", "x-request-id": id } })).text();
    const line = await service.logged(({ request_id }) => request_id === id);
    expect(line).toMatchObject({ method: "POST", route: "/rerank", status: 200, documents: 3, tokens: expect.any(Number) });
    const { tokens, tokens_computed, tokens_reused } = line;
    expect(Number(tokens_computed) + Number(tokens_reused)).toBe(tokens);
    expect(line).toMatchObject({ queue_ms: expect.any(Number), compute_ms: expect.any(Number), total_ms: expect.any(Number) });
    expect(service.log.slice(before).filter(({ request_id }) => request_id === id)).toHaveLength(1);
    expect(JSON.stringify(service.log)).not.toMatch(/sunny|machine learning|neural/i);
  });
});

describe("probes", () => {
  test("answer while all is well", async () => {
    await using service = await startTestService();
    const health = await fetch(`${service.url}/health`);
    expect(health.status).toBe(200);
    const devices = [{ device: "CPU", status: "ok" }];
    expect(await health.json()).toEqual({
      status: "ok",
      model: "test-model",
      device: "CPU",
      devices,
      uptime_s: expect.any(Number),
    });
    for (const route of ["/ready", "/ping"]) expect((await fetch(service.url + route)).status).toBe(200);
  });

  test("readiness is found out by scoring, at most once a second", async () => {
    await using service = await startTestService();
    await Promise.all(Array.from({ length: 5 }, () => fetch(`${service.url}/ready`)));
    expect(service.reranker.stats().pairsScored).toBe(1);
  });

  test("while the model loads, health tells the progress and scoring is refused with Retry-After", async () => {
    const context = new ServerContext({ modelName: "m", requestTimeoutMs: 1000, bodyLimitBytes: 1000 });
    const server = createServer(context);
    context.lifecycle.loading(0.5, "loading");
    const health = await server.inject("/health");
    expect(health.statusCode).toBe(503);
    expect(health.json()).toMatchObject({ status: "loading", progress: 0.5, reason: expect.any(String) });
    for (const url of ["/rerank", "/ready"] as const) {
      const answer =
        url === "/ready" ? await server.inject(url) : await server.inject({ method: "POST", url, payload: machineLearning });
      seen.add(answer.json().error.code);
      expect(answer.statusCode).toBe(503);
      expect(answer.json()).toMatchObject({ error: { code: "loading" } });
      expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    }
    expect((await server.inject("/ping")).statusCode).toBe(200);
  });

  test("a failed load is told by health, and every score is an engine_error", async () => {
    const context = new ServerContext({ modelName: "m", requestTimeoutMs: 1000, bodyLimitBytes: 1000 });
    const server = createServer(context);
    context.lifecycle.fail("no such file");
    expect((await server.inject("/health")).json()).toMatchObject({ status: "failed", reason: "no such file" });
    const answer = await server.inject({ method: "POST", url: "/rerank", payload: machineLearning });
    seen.add(answer.json().error.code);
    expect([answer.statusCode, answer.json().error.code]).toEqual([500, "engine_error"]);
  });
});

describe("under load", () => {
  test("a request that does not fit the queue is refused at once with Retry-After, and nothing of it is computed", async () => {
    await using service = await startTestService({ load: { ...(await randomModel(wideShape)), maxQueuedPairs: 4 } });
    const controller = new AbortController();
    const documents = Array.from({ length: 4 }, (_, index) => text(2000, index));
    const running = service.reranker.score({ query: "a", documents, signal: controller.signal });
    const refused = await post(`${service.url}/rerank`, machineLearning);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    await expectFailure(refused, "queue_full", /./);
    expect(service.reranker.stats().jobsSubmitted).toBe(1);
    controller.abort();
    await expect(running).rejects.toThrow();
  });

  test("a request that takes too long is answered with timeout, and the rest of its work is dropped", async () => {
    await using service = await startTestService({ requestTimeoutMs: 1500, load: await randomModel(wideShape) });
    await expectFailure(await post(`${service.url}/rerank`, longWork), "timeout", /1500 ms/);
    await until(() => service.reranker.stats().pairsDropped > 0);
    expect(service.reranker.stats()).toMatchObject({ jobsCancelled: 1 });
  });

  test("a client that hangs up stops the rest of its work; it is logged and counted as 499", async () => {
    await using service = await startTestService({ load: await randomModel(wideShape) });
    const controller = new AbortController();
    const dropped = post(`${service.url}/rerank`, longWork, { signal: controller.signal });
    await until(() => service.reranker.stats().batches > 0);
    controller.abort();
    await expect(dropped).rejects.toThrow();
    const line = await service.logged(({ status }) => status === 499);
    expect(line).toMatchObject({ route: "/rerank", documents: 60 });
    await until(() => service.reranker.stats().pairsQueued === 0);
    expect(service.reranker.stats().jobsCancelled).toBe(1);
    expect(service.reranker.stats().pairsDropped).toBeGreaterThan(0);
    expect(service.service.context.requests.clientClosed).toBe(1);
    expect((await post(`${service.url}/rerank`, { query: "a", documents: ["b"] })).status).toBe(200);
    expect(service.service.context.requests.clientClosed).toBe(1);
    seen.add("client_closed");
  });

  test("a hundred requests over kept-alive connections are all answered, none counted as dropped", async () => {
    await using service = await startTestService();
    const answers = await Promise.all(Array.from({ length: 100 }, () => post(`${service.url}/rerank`, machineLearning)));
    const bodies = new Set(await Promise.all(answers.map((answer) => answer.text())));
    expect(bodies.size).toBe(1);
    await until(() => service.service.context.requests.inFlight === 0);
    expect(service.service.context.requests).toMatchObject({ total: 100, clientClosed: 0 });
    expect(service.reranker.stats().jobsCancelled).toBe(0);
  });

  test("a model that overflows is invalid_score, never a number", async () => {
    const { modelPath } = await demoModel();
    await using service = await startTestService({ load: { modelPath, headPath: await overflowingHead(256) } });
    await expectFailure(await post(`${service.url}/rerank`, machineLearning), "invalid_score", /./);
  });

  test("a batch that there is no memory for is out_of_memory, with what to lower", async () => {
    await using service = await startTestService();
    const error = new RerankError("out_of_memory", "no memory for 512 tokens: lower BATCH_TOKENS");
    vi.spyOn(service.reranker, "score").mockRejectedValueOnce(error);
    await expectFailure(await post(`${service.url}/rerank`, machineLearning), "out_of_memory", error.message);
    expect((await post(`${service.url}/rerank`, machineLearning)).status).toBe(200);
  });

  test("a reranker that was closed beneath the server answers 503", async () => {
    await using service = await startTestService();
    await service.reranker.close();
    await expectFailure(await post(`${service.url}/rerank`, machineLearning), "closed", /closed/);
  });
});

describe("draining", () => {
  test("what runs is finished, what comes in on an open connection is refused, and new connections are not taken", async () => {
    await using service = await startTestService({ load: await randomModel(wideShape) });
    const { port } = service.service;
    // A second request has begun on this connection, so it is not closed as idle.
    const open = connect(port, "127.0.0.1").setEncoding("utf8");
    let received = "";
    open.on("data", (chunk: string) => {
      received += chunk;
    });
    open.write("GET /ping HTTP/1.1\r\nHost: x\r\n\r\nPOST /rerank HTTP/1.1\r\nHost: x\r\n");
    await until(() => received.includes('{"status":"ok"}'));

    const running = post(`${service.url}/rerank`, { ...longWork, documents: longWork.documents.slice(0, 8) });
    await until(() => service.reranker.stats().batches > 0);
    const stopped = service.service.stop();
    const body = JSON.stringify(machineLearning);
    open.write(`Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    await until(() => received.includes('"draining"'));
    expect(received).toMatch(/HTTP\/1.1 503 .*connection: close.*"code":"draining"/is);
    expect(received).toMatch(/retry-after: \d/i);
    seen.add("draining");
    await expect(fetch(`${service.url}/ping`)).rejects.toThrow();

    const answer = await running;
    expect([answer.status, answer.headers.get("connection")]).toEqual([200, "close"]);
    expect((await json(NativeResponse, answer)).results).toHaveLength(8);
    await stopped;
    await expect(service.reranker.score(machineLearning)).rejects.toMatchObject({ code: "closed" });
  });

  test("health says draining", async () => {
    const context = new ServerContext({ modelName: "m", requestTimeoutMs: 1000, bodyLimitBytes: 1000 });
    const server = createServer(context);
    context.drain();
    const health = await server.inject("/health");
    expect([health.statusCode, health.headers.connection, health.json().status]).toEqual([503, "close", "draining"]);
  });

  test("a model that is ready only after the server began to drain is closed", async () => {
    const context = new ServerContext({ modelName: "m", requestTimeoutMs: 1000, bodyLimitBytes: 1000 });
    context.drain();
    await using reranker = await Reranker.load({ ...(await demoModel()), gpuLayers: 0 });
    expect(context.lifecycle.ready(reranker)).toBe(false);
    expect(context.state.status).toBe("draining");
  });
});

test("every code of the error table that is not a client's fault was met above, or in the tests of keys and admission", () => {
  for (const code of ["unauthorized", "overloaded"]) seen.add(code);
  expect([...seen].toSorted()).toEqual(otherFaults.toSorted());
});
