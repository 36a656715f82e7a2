/**
 * Wrong requests to every route that scores. Each gets a client error in the route's own shape that names what is wrong, and the
 * next request is answered as usual.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ErrorCode, errorTable } from "../../src/errors.js";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { clientFaults } from "../support/error-codes.js";
import { chunked, exchange, postHead } from "../support/raw-http.js";
import { bodyFor, readError, type ScoringRoute, scoringRoutes } from "../support/scoring-routes.js";
import { secret, wrongBodies } from "../support/wrong-bodies.js";

const bodyLimitBytes = 2 ** 20;

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ bodyLimitBytes, load: { contextSize: 256, maxDocuments: 100 } });
});
afterAll(() => service.service.stop());

async function expectHealthy(route: ScoringRoute): Promise<void> {
  const response = await post(service.url + route.path, bodyFor(route, "weather", ["sun", "rain"]));
  expect(response.status).toBe(200);
  expect(await route.read(response)).toHaveLength(2);
}

/** The codes that the tests below saw. */
const seen = new Set<ErrorCode>();

function literally(part: string): string {
  return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  json(): unknown;
}

async function expectError(tei: boolean, response: Answer, code: ErrorCode, message: string): Promise<void> {
  expect(response.status).toBe(errorTable[code].status);
  expect(response.headers.get("content-type")).toMatch(/application\/json/);
  const error = await readError(tei, response);
  if (!tei) expect(error.code).toBe(code);
  seen.add(code);
  expect(error.message).toMatch(new RegExp(message.split("…").map(literally).join(".*")));
  expect(error.message).not.toContain(secret);
}

describe.each(scoringRoutes)("$name", (route) => {
  const tei = route.dialect === "tei";
  // On routes where the body decides the dialect, an unreadable body gets the service's own error shape.
  const always = route.path === "/";

  test.each(wrongBodies(route))("$wrong is $code", async ({ body, code, message }) => {
    await expectError(tei, await post(service.url + route.path, body), code, message);
    await expectHealthy(route);
  });

  test.each(["[]", "null", "true", "7", `"${secret}"`])("the body %s is refused as no object", async (body) => {
    await expectError(always, await post(service.url + route.path, body), "invalid_request", "body: expected an object");
    await expectHealthy(route);
  });

  const broken: Record<string, string> = {
    nothing: "",
    "a brace": "{",
    "a word": secret,
    "single quotes": "{'query': 'a'}",
    "a NUL": "\0",
    "a poisoned prototype": '{"__proto__":{"x":1}}',
    "a poisoned constructor": '{"constructor":{"prototype":{}}}',
    "a hundred thousand open brackets": "[".repeat(100_000),
  };
  test.each(Object.entries(broken))("%s is refused as no JSON", async (_what, body) => {
    await expectError(always, await post(service.url + route.path, body), "invalid_json", "body: expected JSON");
    await expectHealthy(route);
  });

  test.each([
    ["an array", "[".repeat(100_000) + "]".repeat(100_000)],
    ["an object", `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`],
  ])("%s of a hundred thousand levels is refused or ignored, as the body or inside it", async (_what, deep) => {
    const whole = await post(service.url + route.path, deep);
    expect(whole.status).toBe(400);
    const body = JSON.stringify(bodyFor(route, "a", ["DEEP"])).replace('"DEEP"', deep);
    await expectError(tei, await post(service.url + route.path, body), "invalid_request", `${route.documents}[0]`);
    const unknown = JSON.stringify(bodyFor(route, "a", ["a"], { unknown: "DEEP" })).replace('"DEEP"', deep);
    expect((await post(service.url + route.path, unknown)).status).toBe(200);
    await expectHealthy(route);
  });

  test("hundreds of thousands of open brackets are refused before they are parsed", async () => {
    const answer = await post(service.url + route.path, "[".repeat(300_001));
    await expectError(always, answer, "too_many_documents", "body: expected at most 300000 items and fields in all, got more");
    await expectHealthy(route);
  });

  test("bytes that are not UTF-8 are refused, in one piece or chunked", async () => {
    const bytes = Buffer.concat([Buffer.from(JSON.stringify(bodyFor(route, "a", ["XX"])).replace("XX", "\u00ff"), "latin1")]);
    const { port } = service.service;
    const whole = await exchange(port, postHead(route.path, { "Content-Length": bytes.length }), bytes);
    await expectError(always, whole, "invalid_json", "body: expected UTF-8");
    const parts = await exchange(port, postHead(route.path, { "Transfer-Encoding": "chunked" }), chunked(bytes));
    await expectError(always, parts, "invalid_json", "body: expected UTF-8");
    await expectHealthy(route);
  });

  test("a body over the limit is refused, declared or chunked", async () => {
    const body = JSON.stringify(bodyFor(route, "a", [secret.repeat(bodyLimitBytes / 7)]));
    await expectError(always, await post(service.url + route.path, body), "body_too_large", "body: at most 1 MiB");
    const quarter = Math.ceil(body.length / 4);
    const pieces = [0, 1, 2, 3].map((index) => body.slice(index * quarter, (index + 1) * quarter));
    const head = postHead(route.path, { "Transfer-Encoding": "chunked" });
    const parts = await exchange(service.service.port, head, chunked(...pieces));
    await expectError(always, parts, "body_too_large", "body: at most 1 MiB");
    await expectHealthy(route);
  });

  test.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense", ""])(
    "the content type %j is refused",
    async (type) => {
      const response = await post(service.url + route.path, bodyFor(route, "a", ["a"]), { headers: { "content-type": type } });
      await expectError(always, response, "unsupported_media_type", "content-type: expected application/json");
      await expectHealthy(route);
    },
  );

  // GET and HEAD of `/` are the playground's.
  const others = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"].slice(route.path === "/" ? 2 : 0);
  test.each(others)("%s is not allowed", async (method) => {
    const response = await fetch(service.url + route.path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(route.path === "/" ? "GET, HEAD, POST" : "POST");
    if (method !== "HEAD") await expectError(false, response, "method_not_allowed", `${method} is not allowed`);
    await expectHealthy(route);
  });
});

describe("connections", () => {
  const [native] = scoringRoutes;
  if (!native) throw new Error("the table of routes is empty");

  test.each(["/nothing", "/v3/rerank", "/v1", "/rerank%2f"])("POST %s is not found", async (path) => {
    await expectError(false, await post(service.url + path, {}), "not_found", `no route POST ${path}`);
    await expectHealthy(native);
  });

  test.each([
    ["no HTTP", "hello\r\n\r\n"],
    ["an unknown method", "FETCH /rerank HTTP/1.1\r\nHost: test\r\n\r\n"],
    ["a wrong length", "POST /rerank HTTP/1.1\r\nHost: test\r\nContent-Length: x\r\n\r\n"],
    [
      "a wrong chunk",
      "POST /rerank HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ["two lengths", "POST /rerank HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ])("%s is an invalid request", async (_what, bytes) => {
    await expectError(false, await exchange(service.service.port, bytes), "invalid_request", "expected an HTTP/1.1 request");
    await expectHealthy(native);
  });

  test("an unknown expectation is refused", async () => {
    const head = postHead("/rerank", { Expect: "a miracle", "Content-Length": 0 });
    await expectError(false, await exchange(service.service.port, head), "expectation_failed", "expect: expected 100-continue");
    await expectHealthy(native);
  });

  test("headers over the limit are refused", async () => {
    const head = postHead("/rerank", { "X-Long": "x".repeat(20_000) });
    await expectError(false, await exchange(service.service.port, head), "headers_too_large", "headers: ");
    await expectHealthy(native);
  });

  test.each(["GET /rerank?x=%zz", "GET /%zz", "POST /v1/%c3%28"])("%s gets a client error", async (line) => {
    const bytes = `${line} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`;
    const answer = await exchange(service.service.port, bytes);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    await readError(false, answer);
    await expectHealthy(native);
  });

  test.each([
    ["a body", postHead("/rerank", { "Content-Length": 100 }), '{"query":'],
    ["chunks", postHead("/rerank", { "Transfer-Encoding": "chunked" }), "5\r\n{"],
    ["headers", "POST /rerank HTTP/1.1\r\nHost: test\r\n", "X-Slow: "],
  ])(
    "%s that never arrive in full are answered with request_timeout, and the connection is closed",
    async (_what, head, start) => {
      await using slow = await startTestService({ requestTimeoutMs: 1500 });
      await expectError(false, await exchange(slow.service.port, head, start), "request_timeout", "within 1500 ms");
      expect((await post(`${slow.url}/rerank`, { query: "a", documents: ["a"] })).status).toBe(200);
    },
  );
});

test("the tests above saw every code of the error table that is the client's fault", () => {
  expect([...seen].toSorted()).toEqual(clientFaults.toSorted());
});
