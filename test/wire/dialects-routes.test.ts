/** Paths, limits and encodings of other services' clients. */

import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { chunked, exchange, postHead } from "../support/raw-http.js";
import { bodyFor, readError, scoringRoutes } from "../support/scoring-routes.js";
import { text } from "../support/texts.js";

const body = { query: "weather", documents: ["sun", "weather"] };

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ bodyLimitBytes: 2 ** 20, load: { contextSize: 256 } });
});
afterAll(() => service.service.stop());

async function keys(path: string, sent: object): Promise<string> {
  const response = await post(service.url + path, sent);
  const answer: unknown = await response.json();
  expect([path, response.status]).toEqual([path, 200]);
  return Array.isArray(answer) ? "TEI" : Object.keys(Object(answer)).join();
}

describe("paths", () => {
  test.each([
    ["/rerank/", "/rerank"],
    ["//rerank", "/rerank"],
    ["/v1//rerank/", "/v1/rerank"],
    ["/v1/rerank/?a=b", "/v1/rerank"],
    ["/score/", "/score"],
    ["/api/v1/rerank", "/v1/rerank"],
    ["/v1/v2/rerank", "/v2/rerank"],
    ["/v2/v2/rerank", "/v2/rerank"],
    ["/v2/rerank/", "/v2/rerank"],
    ["/invocations", "/rerank"],
  ])("POST %s answers like POST %s", async (path, same) => {
    const sent = same === "/score" ? { text_1: "weather", text_2: ["sun"] } : body;
    expect(await keys(path, sent)).toBe(await keys(same, sent));
  });

  test("POST /invocations speaks every dialect of POST /rerank", async () => {
    expect(await keys("/invocations", { query: "a", texts: ["a"] })).toBe("TEI");
    expect(await keys("/invocations", { ...body, top_n: 1 })).toBe(await keys("/rerank", { ...body, top_n: 1 }));
  });

  test("POST / speaks the dialect of Text Embeddings Inference only", async () => {
    expect(await keys("/", { query: "a", texts: ["a"] })).toBe("TEI");
    const other = await post(`${service.url}/`, body);
    expect(other.status).toBe(400);
    expect((await readError(true, other)).message).toBe(
      'texts: expected an array or {"content":[{"type":"text","text"} or {"type":"image_url","image_url":{"url"}}]}, got nothing',
    );
    expect((await fetch(`${service.url}/`)).headers.get("content-type")).toMatch(/html/);
  });

  test("with API keys, POST / wants one like every route that scores; the page does not", async () => {
    await using locked = await startTestService({ server: { apiKeys: ["k"] } });
    expect((await post(`${locked.url}/`, { query: "a", texts: ["a"] })).status).toBe(401);
    expect((await fetch(`${locked.url}/`)).status).toBe(200);
    for (const path of ["/health/", "//health"]) expect((await fetch(locked.url + path)).status).toBe(200);
    for (const path of ["/metrics/", "//metrics", "//rerank", "/docs//json"])
      expect((await fetch(locked.url + path)).status).toBe(401);
  });

  test.each(["test-model", "any", "owner/name", "owner%2Fname"])("GET /v1/models/%s describes the loaded model", async (id) => {
    const response = await fetch(`${service.url}/v1/models/${id}`);
    expect([response.status, await response.json()]).toEqual([
      200,
      { id: "test-model", object: "model", created: expect.any(Number), owned_by: "jina-reranker" },
    ]);
  });

  test.each(["/nothing", "/:a(", "/rerank:x(", "/v1/:b*(", "/*", "/(((", "/a::b"])(
    "%s is not found, and the error lists the routes that score",
    async (path) => {
      for (const method of ["GET", "POST"]) {
        const response = await fetch(service.url + path, { method });
        expect(response.status).toBe(404);
        const { code, message } = await readError(false, response);
        expect(code).toBe("not_found");
        expect(message).toContain(`no route ${method} ${path}; `);
        for (const { path: known } of scoringRoutes) expect(message).toMatch(new RegExp(`POST [^;]*${known}\\b`));
      }
    },
  );

  test.each([
    ["GET", "/rerank/", "POST"],
    ["GET", "//v1/rerank", "POST"],
    ["POST", "/health/", "GET, HEAD"],
    ["PUT", "/", "GET, HEAD, POST"],
    ["DELETE", "/v1/models/a/b", "GET, HEAD"],
  ])("%s %s is not allowed; the methods %s are", async (method, path, allowed) => {
    const response = await fetch(service.url + path, { method });
    expect([response.status, response.headers.get("allow")]).toEqual([405, allowed]);
  });

  test("/docs redirects to its folder under any prefix of a proxy, and its requests stay under that prefix", async () => {
    const page = await fetch(`${service.url}/docs?a=b`, { redirect: "manual" });
    const location = page.headers.get("location") ?? "";
    expect([page.status, new URL(location, "https://example.org/prefix/docs").href]).toEqual([
      302,
      "https://example.org/prefix/docs/?a=b",
    ]);
    const html = await (await fetch(`${service.url}/docs/`)).text();
    for (const [, link = ""] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
      expect(new URL(link, "https://example.org/prefix/docs/").pathname).toMatch(/^\/prefix\/docs\//);
    }
    const document: unknown = await (await fetch(`${service.url}/docs/json`)).json();
    const server: unknown = Reflect.get(Object(Reflect.get(Object(Reflect.get(Object(document), "servers")), 0)), "url");
    expect(new URL(String(server), "https://example.org/prefix/docs/json").href).toBe("https://example.org/prefix/");
  });
});

describe("MAX_DOCUMENTS", () => {
  const limit = (dialect: string) => (dialect === "native" ? 100 : 1000);

  test.each(scoringRoutes)("unset, $name accepts as many documents as its own service", async (route) => {
    const most = limit(route.dialect);
    const many = await post(service.url + route.path, bodyFor(route, "weather", Array(most).fill("sun")));
    expect(await route.read(many)).toHaveLength(most);
    const more = await post(service.url + route.path, bodyFor(route, "weather", Array(most + 1).fill("sun")));
    expect(more.status).toBe(422);
    expect((await readError(route.dialect === "tei", more)).message).toBe(
      `${route.documents}: at most ${most} are allowed in one request, got ${most + 1}`,
    );
  });

  test("unset, /info reports the limit of Text Embeddings Inference", async () => {
    expect(await (await fetch(`${service.url}/info`)).json()).toMatchObject({ max_client_batch_size: 1000 });
  });

  test("set, it holds for all routes", async () => {
    await using small = await startTestService({ load: { maxDocuments: 3 } });
    for (const route of scoringRoutes) {
      expect((await post(small.url + route.path, bodyFor(route, "a", ["a", "b", "c"]))).status).toBe(200);
      expect((await post(small.url + route.path, bodyFor(route, "a", ["a", "b", "c", "d"]))).status).toBe(422);
    }
    await using large = await startTestService({ load: { maxDocuments: 300 } });
    for (const route of scoringRoutes) {
      expect((await post(large.url + route.path, bodyFor(route, "a", Array(300).fill("b")))).status).toBe(200);
      expect((await post(large.url + route.path, bodyFor(route, "a", Array(301).fill("b")))).status).toBe(422);
    }
    expect(await (await fetch(`${large.url}/info`)).json()).toMatchObject({ max_client_batch_size: 300 });
  });
});

describe("a compressed body", () => {
  test.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["br", brotliCompressSync],
  ] as const)(
    "that is no valid %s, and that is not read because of its type, does not end the process",
    async (encoding, encode) => {
      const unread: unknown[] = [];
      const note = (error: unknown) => unread.push(error);
      process.on("uncaughtExceptionMonitor", note);
      try {
        const bytes = encode(JSON.stringify({ ...body, more: text(500, 1) })).subarray(0, -6);
        const headers = { "content-type": "text/plain", "content-encoding": encoding };
        const answer = await fetch(`${service.url}/rerank`, { method: "POST", headers, body: new Uint8Array(bytes) });
        expect(answer.status).toBe(415);
        await answer.text();
        // The bytes of that body are skipped before the next request on the connection.
        expect((await post(`${service.url}/rerank`, body)).status).toBe(200);
        expect(unread).toEqual([]);
      } finally {
        process.off("uncaughtExceptionMonitor", note);
      }
    },
  );

  const json = Buffer.from(JSON.stringify(body));
  const send = (bytes: Buffer, encoding: string, path = "/rerank") =>
    fetch(service.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", "content-encoding": encoding },
      body: new Uint8Array(bytes),
    });

  test.each([
    ["gzip", gzipSync(json)],
    ["GZIP", gzipSync(json)],
    ["x-gzip", gzipSync(json)],
    ["deflate", deflateSync(json)],
    ["br", brotliCompressSync(json)],
    ["identity", json],
  ])("%s is read", async (encoding, bytes) => {
    const plain = await (await post(`${service.url}/rerank`, body)).json();
    const response = await send(bytes, encoding);
    expect([response.status, await response.json()]).toEqual([200, plain]);
    const pieces = await exchange(
      service.service.port,
      postHead("/rerank", { "Transfer-Encoding": "chunked", "Content-Encoding": encoding }),
      chunked(bytes.subarray(0, 10), bytes.subarray(10)),
    );
    expect(pieces.status).toBe(200);
  });

  test.each(["zstd", "compress", "gzip, br", "nonsense"])(
    "%s is unsupported_media_type, which says what is supported",
    async (encoding) => {
      const response = await send(json, encoding);
      expect([response.status, response.headers.get("accept-encoding")]).toEqual([415, "gzip, deflate, br"]);
      const { code, message } = await readError(false, response);
      expect(code).toBe("unsupported_media_type");
      expect(message).toMatch(/^content-encoding: expected gzip, deflate, br or none, got /);
    },
  );

  test.each([
    ["gzip", gzipSync(Buffer.alloc(200 * 2 ** 20, " "))],
    ["deflate", deflateSync(Buffer.alloc(200 * 2 ** 20, " "))],
    ["br", brotliCompressSync(Buffer.alloc(200 * 2 ** 20, " "))],
  ])("%s that unpacks to more than the limit is refused when the limit is reached", async (encoding, bomb) => {
    const before = process.memoryUsage().arrayBuffers;
    const response = await send(bomb, encoding);
    expect((await readError(false, response)).code).toBe("body_too_large");
    // Less than the 200 MiB were unpacked.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * 2 ** 20);
    expect((await send(gzipSync(json), "gzip")).status).toBe(200);
  });

  test.each([
    ["gzip", Buffer.from("not gzip")],
    ["gzip", gzipSync(json).subarray(0, 20)],
    ["deflate", Buffer.from("not deflate")],
    ["br", Buffer.from("not brotli")],
    ["gzip", json],
  ])("bytes that are not %s are invalid_json", async (encoding, bytes) => {
    const response = await send(bytes, encoding);
    const { code, message } = await readError(false, response);
    expect([response.status, code, message]).toEqual([
      400,
      "invalid_json",
      `body: expected ${encoding}, as content-encoding says, got bytes that are not`,
    ]);
  });

  test.each(["GET", "HEAD", "DELETE", "POST"])("in a %s without a body is no error", async (method) => {
    const response = await fetch(`${service.url}/health`, { method, headers: { "content-encoding": "gzip" } });
    expect(response.status).toBeLessThan(500);
    expect((await fetch(`${service.url}/health`)).status).toBe(200);
  });

  test("is checked like an uncompressed one", async () => {
    const response = await send(gzipSync(Buffer.from('"\xff"', "latin1")), "gzip");
    expect((await readError(false, response)).message).toBe("body: expected UTF-8, got bytes that are not");
  });
});

describe("half of a surrogate pair", () => {
  const halves = String.raw`{"query":"a \ud83d","documents":["b \ude00 c",{"text":"\ud83d"},{"content":[{"type":"text","text":"d\ud83dd"}]}],"return_documents":true`;

  test.each([
    ["/rerank", "}"],
    ["/v1/rerank", "}"],
  ])("POST %s scores and echoes U+FFFD", async (path, end) => {
    const response = await post(service.url + path, halves + end);
    const raw = await response.text();
    expect(response.status).toBe(200);
    expect(raw).not.toMatch(/\\u[dD][89a-fA-F]/);
    for (const expected of ["b \ufffd c", "d\ufffdd"]) expect(raw).toContain(expected);
    const plain = await (await post(service.url + path, halves.replaceAll(/\\ud83d|\\ude00/g, "\ufffd") + end)).text();
    const scored = (one: string) => [...one.matchAll(/relevance_score":([\d.e-]+)/g)].map(([, score]) => score);
    expect(scored(raw)).toEqual(scored(plain));
  });
});

test("usage has completion_tokens in the dialects of Jina and vLLM", async () => {
  for (const [path, sent] of [
    ["/v1/rerank", body],
    ["/score", { text_1: "a", text_2: "b" }],
  ] as const) {
    expect(await (await post(service.url + path, sent)).json()).toMatchObject({ usage: { completion_tokens: 0 } });
  }
});
