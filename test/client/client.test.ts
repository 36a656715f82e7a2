/** The fetch client against the real service, and against servers that fail in ways a healthy one does not. */

import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inspect, promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RerankClient, RerankClientError } from "../../src/client/index.js";
import { waitForTimer } from "../../src/client/retry.js";
import { createServer } from "../../src/server/app.js";
import { ServerContext } from "../../src/server/state.js";
import { startTestService, type TestService } from "../support/demo-service.js";
import { type Scripted, startScriptedServer } from "../support/scripted-server.js";

const request = {
  query: "What is machine learning?",
  documents: [
    "The weather today is sunny and warm.",
    "Machine learning is a subset of artificial intelligence that enables computers to learn from data.",
    "Deep learning uses neural networks with multiple layers.",
  ],
};

const rejected = async (promise: Promise<unknown>): Promise<RerankClientError> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof RerankClientError) return error;
  throw new Error(`expected a RerankClientError, got ${String(error)}`);
};

describe("against the service", () => {
  let service: TestService;
  let client: RerankClient;
  beforeAll(async () => {
    service = await startTestService();
    client = new RerankClient({ baseUrl: service.url });
  });
  afterAll(() => service.service.stop());

  test("ranks as the library does: the same order, the same scores, the caller's own documents", async () => {
    const library = await service.reranker.rerank(request);
    const answer = await client.rerank(request);
    expect(answer.results).toEqual(
      library.results.map(({ index, score, document }) => ({ index, score, document, truncated: false })),
    );
    expect(answer.usage).toEqual(library.usage);
    expect(answer.model).toBe("test-model");
  });

  test("tells the server's timings and the request's id, which the log has too", async () => {
    const { timings, requestId } = await client.rerank(request);
    expect(timings).toEqual({
      queueMs: expect.any(Number),
      tokenizeMs: expect.any(Number),
      computeMs: expect.any(Number),
      totalMs: expect.any(Number),
    });
    expect(timings?.totalMs).toBeGreaterThan(0);
    expect(requestId).toBeDefined();
    expect(await service.logged((line) => line.request_id === requestId)).toMatchObject({ status: 200, documents: 3 });
  });

  test("topK limits the results", async () => {
    const { results } = await client.rerank({ ...request, topK: 1 });
    expect(results.map(({ index }) => index)).toEqual([1]);
  });

  test("says which documents were cut", async () => {
    await using small = await startTestService({ load: { contextSize: 64 } });
    const documents = ["machine learning ".repeat(100), "short"];
    const { results } = await new RerankClient({ baseUrl: small.url }).rerank({ ...request, documents });
    expect(results.find(({ index }) => index === 0)?.truncated).toBe(true);
    expect(results.find(({ index }) => index === 1)?.truncated).toBe(false);
  });

  test("rejects with the server's code, status, message and request id", async () => {
    const error = await rejected(client.rerank({ ...request, query: " " }));
    expect(error).toMatchObject({ name: "RerankClientError", code: "empty_query", status: 422 });
    expect(error.message).toMatch(/^query: /);
    expect(error.requestId).toMatch(/^[\w-]+$/);
    expect(error.retryAfterSeconds).toBeUndefined();
  });

  test("works with a base address that ends with a slash", async () => {
    const { results } = await new RerankClient({ baseUrl: new URL(service.url) }).rerank(request);
    expect(results).toHaveLength(3);
  });

  test("health of a service that is ready", async () => {
    const { device } = service.reranker.info;
    expect(await client.health()).toEqual({ status: "ok", model: "test-model", device, uptimeSeconds: expect.any(Number) });
  });

  test("health of a service that is loading is an answer, not an error", async () => {
    const context = new ServerContext({ modelName: "coming", requestTimeoutMs: 1000, bodyLimitBytes: 1000 });
    context.loading(0.25, "loading");
    const server = createServer(context);
    const baseUrl = await server.listen({ host: "127.0.0.1", port: 0 });
    try {
      expect(await new RerankClient({ baseUrl }).health()).toEqual({
        status: "loading",
        reason: "the model is being loaded",
        model: "coming",
        uptimeSeconds: 0,
        progress: 0.25,
      });
    } finally {
      await server.close();
    }
  });
});

const good: Scripted = {
  status: 200,
  body: {
    results: [{ index: 2, relevance_score: 0.5 }],
    model: "scripted",
    usage: { prompt_tokens: 7, total_tokens: 7 },
  },
};
const refusal = (status: number, code: string, headers: Readonly<Record<string, string>> = {}): Scripted => ({
  status,
  headers,
  body: { error: { code, message: `refused: ${code}` } },
});

/** A client whose waits are written down instead of waited for. */
function impatient(baseUrl: string, retries?: number) {
  const waits: number[] = [];
  const client = new RerankClient({
    baseUrl,
    ...(retries !== undefined && { retries }),
    wait: async (milliseconds) => {
      waits.push(milliseconds);
    },
  });
  return { client, waits };
}

describe("trying again", () => {
  test("asks again after 503 and 429, as late as Retry-After says in seconds or as a date, and then succeeds", async () => {
    const date = "Mon, 23 Nov 2026 12:00:00 GMT";
    await using server = await startScriptedServer([
      refusal(503, "loading", { "retry-after": "2" }),
      refusal(429, "queue_full", { date, "retry-after": "Mon, 23 Nov 2026 12:00:07 GMT" }),
      good,
    ]);
    const { client, waits } = impatient(server.url);
    const { results } = await client.rerank(request);
    expect(results).toEqual([{ index: 2, score: 0.5, document: request.documents[2], truncated: false }]);
    expect(server.requests).toHaveLength(3);
    expect(new Set(server.requests.map(({ body }) => body)).size).toBe(1);
    // Never earlier than asked; later only by the spread that keeps clients apart.
    expect(waits.map((wait) => Math.floor(wait / 1000))).toEqual([2, 7]);
  });

  test("without Retry-After the waits grow, and are not the same twice", async () => {
    await using server = await startScriptedServer([refusal(503, "draining")]);
    const all: number[] = [];
    for (let run = 0; run < 3; run++) {
      const { client, waits } = impatient(server.url, 8);
      expect(await rejected(client.rerank(request))).toMatchObject({ code: "draining", status: 503 });
      expect(waits).toHaveLength(8);
      for (const [index, wait] of waits.entries()) {
        const most = Math.min(250 * 2 ** index, 10_000);
        expect(wait).toBeGreaterThanOrEqual(most / 2);
        expect(wait).toBeLessThanOrEqual(most);
      }
      all.push(...waits);
    }
    expect(new Set(all).size).toBe(all.length);
  });

  test("gives up after three more tries, with the last answer's error", async () => {
    await using server = await startScriptedServer([refusal(429, "queue_full", { "retry-after": "1", "x-request-id": "abc" })]);
    const { client } = impatient(server.url);
    const error = await rejected(client.rerank(request));
    expect(error).toMatchObject({ code: "queue_full", status: 429, retryAfterSeconds: 1, requestId: "abc" });
    expect(error.message).toBe("refused: queue_full");
    expect(server.requests).toHaveLength(4);
  });

  test.each<[string, readonly [Scripted, ...Scripted[]]]>([
    ["a connection cut before the answer", ["cut", good]],
    ["a connection cut in the middle of the answer", ["cut in the body", good]],
    ["a proxy without a server behind it", [{ status: 502, body: "<html>Bad Gateway</html>" }, good]],
  ])("asks again after %s", async (_what, script) => {
    await using server = await startScriptedServer(script);
    const { client, waits } = impatient(server.url);
    expect((await client.rerank(request)).model).toBe("scripted");
    expect(waits).toHaveLength(1);
    expect(server.requests).toHaveLength(2);
  });

  test.each<[number, string]>([
    [400, "invalid_request"],
    [401, "unauthorized"],
    [422, "too_many_documents"],
    [500, "engine_error"],
    [504, "timeout"],
  ])("a %i is not asked again", async (status, code) => {
    await using server = await startScriptedServer([refusal(status, code, { "retry-after": "0" })]);
    const { client } = impatient(server.url);
    expect(await rejected(client.rerank(request))).toMatchObject({ code, status });
    expect(server.requests).toHaveLength(1);
  });

  test("a Retry-After of more than a minute is reported, not waited for", async () => {
    await using server = await startScriptedServer([refusal(503, "loading", { "retry-after": "3600" })]);
    const { client, waits } = impatient(server.url);
    expect(await rejected(client.rerank(request))).toMatchObject({ code: "loading", retryAfterSeconds: 3600 });
    expect(waits).toEqual([]);
  });

  test("retries: 0 asks once", async () => {
    await using server = await startScriptedServer([refusal(503, "loading")]);
    const { client } = impatient(server.url, 0);
    await rejected(client.rerank(request));
    expect(server.requests).toHaveLength(1);
  });

  test("where nothing listens it is a network_error with its cause, after all tries", async () => {
    const server = await startScriptedServer([good]);
    await server[Symbol.asyncDispose]();
    const { client, waits } = impatient(server.url);
    const error = await rejected(client.rerank(request));
    expect(error).toMatchObject({ code: "network_error", status: undefined });
    expect(error.message).toBe(`no answer from ${server.url}`);
    expect(error.cause).toBeInstanceOf(TypeError);
    expect(waits).toHaveLength(3);
    expect(await rejected(client.health())).toMatchObject({ code: "network_error" });
  });
});

describe("an aborted signal", () => {
  test("ends a request that is under way, with the signal's reason and no other try", async () => {
    const abort = new AbortController();
    const reason = new Error("the user left");
    await using server = await startScriptedServer(["silence"], () => abort.abort(reason));
    const { client, waits } = impatient(server.url);
    await expect(client.rerank({ ...request, signal: abort.signal })).rejects.toBe(reason);
    expect(server.requests).toHaveLength(1);
    expect(waits).toEqual([]);
  });

  test("ends the wait between two tries", async () => {
    const abort = new AbortController();
    const reason = new Error("the user left");
    await using server = await startScriptedServer([refusal(503, "loading", { "retry-after": "60" })]);
    const client = new RerankClient({
      baseUrl: server.url,
      wait: (milliseconds, signal) => {
        const aMinute = waitForTimer(milliseconds, signal);
        abort.abort(reason);
        return aMinute;
      },
    });
    await expect(client.rerank({ ...request, signal: abort.signal })).rejects.toBe(reason);
    expect(server.requests).toHaveLength(1);
  });

  test("of a timeout bounds all tries together", async () => {
    await using server = await startScriptedServer([refusal(503, "loading", { "retry-after": "60" })]);
    const client = new RerankClient({ baseUrl: server.url });
    await expect(client.rerank({ ...request, signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ name: "TimeoutError" });
  });
});

describe("what goes over the wire", () => {
  test("the key as a bearer token, the fields in the service's words, and no documents on the way back", async () => {
    await using server = await startScriptedServer([good]);
    await new RerankClient({ baseUrl: `${server.url}/under/a/path/`, apiKey: "secret" }).rerank({ ...request, topK: 1 });
    const [sent] = server.requests;
    expect(sent?.path).toBe("/under/a/path/rerank");
    expect(sent?.headers).toMatchObject({ authorization: "Bearer secret", "content-type": "application/json" });
    expect(JSON.parse(sent?.body ?? "")).toEqual({ ...request, top_k: 1, return_documents: false });
  });

  test.each<[string, Scripted]>([
    ["a page of something else", { status: 200, body: "<html></html>" }],
    ["another service's JSON", { status: 200, body: { data: [] } }],
    [
      "a result that belongs to no document",
      {
        status: 200,
        body: { results: [{ index: 9, relevance_score: 1 }], model: "m", usage: { prompt_tokens: 1, total_tokens: 1 } },
      },
    ],
    ["an error without the service's shape", { status: 404, body: "nothing here" }],
  ])("%s is an unexpected_answer", async (_what, answer) => {
    await using server = await startScriptedServer([answer]);
    const { client } = impatient(server.url);
    expect(await rejected(client.rerank(request))).toMatchObject({ code: "unexpected_answer" });
    expect(server.requests).toHaveLength(1);
    expect(await rejected(client.health())).toMatchObject({ code: "unexpected_answer" });
  });

  test.each([301, 302, 303])("a redirect %i is told by where it leads, not as a wrong method there", async (status) => {
    await using service = await startTestService();
    const location = `${service.url}/rerank?token=secret`;
    await using server = await startScriptedServer([{ status, headers: { location } }]);
    const { client } = impatient(server.url);
    const error = await rejected(client.rerank(request));
    expect(error.code).toBe("unexpected_answer");
    expect(error.message).toContain(`redirected to ${service.url}/rerank`);
    expect(error.message).not.toContain("secret");
    expect(server.requests).toHaveLength(1);
  });

  test("a redirect to a page of something else is told as well, and one that keeps the method is followed", async () => {
    await using page = await startScriptedServer([{ status: 200, body: "<html>sign in</html>" }]);
    await using server = await startScriptedServer([{ status: 302, headers: { location: `${page.url}/login` } }]);
    expect((await rejected(impatient(server.url).client.rerank(request))).message).toContain(`redirected to ${page.url}/login`);
    await using moved = await startScriptedServer([good]);
    await using old = await startScriptedServer([{ status: 307, headers: { location: `${moved.url}/rerank` } }]);
    expect((await impatient(old.url).client.rerank(request)).results).toHaveLength(1);
  });

  test.each([
    "http://user:hunter2@localhost:1",
    "http://hunter2@localhost:1",
    "http://user:hunter2@local host",
    "http://u:hunter2@localhost:99999",
  ])("a password in the base address %# is refused and not repeated", (baseUrl) => {
    let failure: unknown;
    try {
      new RerankClient({ baseUrl });
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(TypeError);
    expect(String(failure)).toMatch(/^TypeError: baseUrl: expected /);
    expect(inspect(failure)).not.toContain("hunter2");
  });

  test.each([
    ["http://localhost?key=x", 0],
    ["http://localhost#x", 0],
    ["localhost:8081", 0],
    ["ftp://localhost", 0],
    ["http://localhost", -1],
    ["http://localhost", 1.5],
  ])("refuses the base address %s with %d retries", (baseUrl, retries) => {
    expect(() => new RerankClient({ baseUrl, retries })).toThrow(TypeError);
  });
});

test("jina-reranker/client is importable by that name, loads no addon, and imports nothing but its own files", async () => {
  const program = `
    const { RerankClient } = await import("jina-reranker/client");
    const addons = process.report.getReport().sharedObjects.filter((path) => path.endsWith(".node"));
    console.log(JSON.stringify({ client: typeof RerankClient, file: import.meta.resolve("jina-reranker/client"), addons }));
  `;
  const root = join(import.meta.dirname, "..", "..");
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { cwd: root });
  const { client, file, addons }: Record<string, unknown> = JSON.parse(stdout);
  expect({ client, addons }).toEqual({ client: "function", addons: [] });
  const folder = join(root, "dist", "client");
  expect(file).toBe(pathToFileURL(join(folder, "index.js")).href);
  const modules = readdirSync(folder).filter((name) => name.endsWith(".js"));
  const imported = modules.flatMap((name) => [...readFileSync(join(folder, name), "utf8").matchAll(/from "([^"]+)"/g)]);
  expect(imported.length).toBeGreaterThan(5);
  for (const [, specifier] of imported) expect(specifier).toMatch(/^\.\/[\w-]+\.js$/);
});
