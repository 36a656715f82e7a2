/** The fetch client against the real service. */

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RerankClient } from "../../src/client/index.js";
import { ServerContext } from "../../src/server/context.js";
import { createServer } from "../../src/server/create-server.js";
import { startTestService, type TestService } from "../support/demo-service.js";
import { rejected, request } from "./impatient-client.js";

describe("against the service", () => {
  let service: TestService;
  let client: RerankClient;
  beforeAll(async () => {
    service = await startTestService();
    client = new RerankClient({ baseUrl: service.url });
  });
  afterAll(() => service.service.stop());

  test("returns the library's order and scores, with the caller's own documents", async () => {
    const library = await service.reranker.rerank(request);
    const answer = await client.rerank(request);
    expect(answer.results).toEqual(
      library.results.map(({ index, score, document }) => ({ index, score, document, truncated: false })),
    );
    expect(answer.usage).toEqual(library.usage);
    expect(answer.model).toBe("test-model");
  });

  test("returns the server's timings and the request's id, which the log has too", async () => {
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

  test("minScore and instruction do what they do in the library", async () => {
    const instruction = "machine learning";
    const library = await service.reranker.rerank({ ...request, instruction });
    const [first, second] = library.results.map(({ index, score }) => ({ index, score }));
    const { results } = await client.rerank({ ...request, instruction, minScore: second?.score ?? 1 });
    expect(results).toMatchObject([first, second]);
    expect(first?.score).not.toBe((await client.rerank(request)).results[0]?.score);
  });

  test("passages are the library's", async () => {
    const documents = [`${request.documents.join(" ")} `.repeat(9), "short"];
    for (const passages of [true, { maxTokens: 20, overlapTokens: 0, max: 2 }, { max: 1 }] as const) {
      const library = await service.reranker.rerank({ ...request, documents, passages });
      const { results } = await client.rerank({ ...request, documents, passages });
      expect(library.results[0]?.passage?.text).toMatch(/\w/);
      expect(results).toEqual(
        library.results.map(({ logit, droppedTokens, ...result }) => ({ ...result, truncated: droppedTokens > 0 })),
      );
    }
  });

  test("timeoutMs answers with what is scored by then, and tells which documents are not", async () => {
    const late: typeof globalThis.fetch = async () =>
      Response.json({
        results: [{ index: 1, relevance_score: 0.5 }],
        ...{ unscored: [0, 2], model: "m", usage: { prompt_tokens: 1, total_tokens: 1 } },
      });
    const answer = await new RerankClient({ baseUrl: service.url, fetch: late }).rerank({ ...request, timeoutMs: 5 });
    expect([answer.results.map(({ index }) => index), answer.unscored]).toEqual([[1], [0, 2]]);
    expect((await client.rerank({ ...request, timeoutMs: 60_000 })).unscored).toEqual([]);
    expect(await client.rerank(request)).not.toHaveProperty("unscored");
  });

  test("marks the documents that were cut", async () => {
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

  test("sends images as bytes and as data, and refuses a path before it sends anything", async () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index);
    const sent: unknown[] = [];
    const fetch: typeof globalThis.fetch = async (_url, init) => {
      sent.push(JSON.parse(String(init?.body)));
      return Response.json({
        results: [{ index: 1, relevance_score: 0.5 }],
        model: "m",
        usage: { prompt_tokens: 1, total_tokens: 1 },
      });
    };
    const recording = new RerankClient({ baseUrl: service.url, fetch });
    const documents = ["a", { image: bytes }, { image: { data: "https://pages.example/a.png" } }];
    const { results } = await recording.rerank({ query: { image: { data: "AAAA" } }, documents });
    expect(results).toEqual([{ index: 1, score: 0.5, document: documents[1], truncated: false }]);
    const base64 = Buffer.from(bytes).toString("base64");
    const written = ["a", { image: base64 }, { image: "https://pages.example/a.png" }];
    expect(sent).toEqual([{ query: { image: "AAAA" }, documents: written, return_documents: false }]);
    const path: { image: Uint8Array } = JSON.parse('{"image":"page.png"}');
    await expect(recording.rerank({ query: "a", documents: ["b", path] })).rejects.toThrow(
      /^documents\[1\]\.image: expected bytes/,
    );
    expect(sent).toHaveLength(1);
  });

  test("refuses a number that JSON would write as null, before it sends anything", async () => {
    const { total } = service.service.context.requests;
    for (const wrong of [{ topK: Number.NaN }, { minScore: Number.POSITIVE_INFINITY }, { passages: { max: Number.NaN } }]) {
      await expect(client.rerank({ query: "a", documents: ["b"], ...wrong })).rejects.toThrow(
        /: expected a number, got (NaN|Infinity)$/,
      );
    }
    expect(service.service.context.requests.total).toBe(total);
  });

  test("rejects with images_not_supported where the service has no vision tower", async () => {
    const refused = client.rerank({ query: "a", documents: [{ image: new Uint8Array(3) }] });
    expect(await rejected(refused)).toMatchObject({
      code: "images_not_supported",
      message: expect.stringContaining("IMAGES=true"),
    });
  });

  test("works with a base address that ends with a slash", async () => {
    const { results } = await new RerankClient({ baseUrl: new URL(service.url) }).rerank(request);
    expect(results).toHaveLength(3);
  });

  test("returns the health of a service that is ready", async () => {
    const { device } = service.reranker.info;
    expect(await client.health()).toEqual({ status: "ok", model: "test-model", device, uptimeSeconds: expect.any(Number) });
  });

  test("returns the health of a service that is loading, without an error", async () => {
    const context = new ServerContext({ modelName: "coming", requestTimeoutMs: 1000, bodyLimitBytes: 1000 });
    context.lifecycle.loading(0.25, "loading");
    const server = createServer(context);
    const baseUrl = await server.listen({ host: "127.0.0.1", port: 0 });
    try {
      expect(await new RerankClient({ baseUrl }).health()).toEqual({
        status: "loading",
        reason: "the model is being loaded",
        model: "coming",
        uptimeSeconds: expect.any(Number),
        progress: 0.25,
      });
    } finally {
      await server.close();
    }
  });
});

test("jina-reranker/client is importable by that name, loads no addon, and no module but files of ours", async () => {
  const program = `
    const { RerankClient } = await import("jina-reranker/client");
    const addons = process.report.getReport().sharedObjects.filter((path) => path.endsWith(".node"));
    console.log(JSON.stringify({ client: typeof RerankClient, file: import.meta.resolve("jina-reranker/client"), addons }));
  `;
  const root = join(import.meta.dirname, "..", "..");
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { cwd: root });
  const { client, file, addons }: Record<string, unknown> = JSON.parse(stdout);
  expect({ client, addons }).toEqual({ client: "function", addons: [] });
  const entry = pathToFileURL(join(root, "dist", "client", "index.js")).href;
  expect(file).toBe(entry);
  // A browser can load it, which has no modules of Node or of packages.
  const reached = new Set([entry]);
  for (const module of reached) {
    for (const [, specifier = ""] of readFileSync(new URL(module), "utf8").matchAll(/from "([^"]+)"/g)) {
      expect(specifier).toMatch(/^\.\.?\//);
      reached.add(new URL(specifier, module).href);
    }
  }
  expect(reached.size).toBeGreaterThan(5);
});
