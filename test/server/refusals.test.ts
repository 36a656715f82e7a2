/**
 * Requests that are no valid HTTP or have a wrong URL, so that no route sees them. They are answered, logged and counted like all
 * others, with an id and every dialect's fields in the body.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ErrorCode } from "../../src/errors.js";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { exchange, postHead } from "../support/raw-http.js";
import { readError } from "../support/scoring-routes.js";

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ requestTimeoutMs: 3000 });
});
afterAll(() => service.service.stop());

async function counted(status: number): Promise<number> {
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  return [...metrics.matchAll(/rerank_requests_total\{route="[^"]*",status="(\d+)"\} (\d+)/g)]
    .filter(([, one]) => Number(one) === status)
    .reduce((sum, [, , count]) => sum + Number(count), 0);
}

const host = "Host: test\r\nConnection: close\r\n";

const cases: readonly [wrong: string, bytes: readonly string[], status: number, code: ErrorCode, message: RegExp][] = [
  ["a path that is no UTF-8", [`GET /%zz HTTP/1.1\r\n${host}\r\n`], 400, "invalid_request", /^path: /],
  ["a path that is cut", [`POST /v1/%c3%28 HTTP/1.1\r\n${host}\r\n`], 400, "invalid_request", /^path: /],
  ["no Host", ["GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n"], 400, "invalid_request", /^host: expected one, got nothing/],
  [
    "an expectation",
    [`GET /ping HTTP/1.1\r\nExpect: x\r\n${host}\r\n`],
    417,
    "expectation_failed",
    /^expect: expected 100-continue/,
  ],
  ["headers too long", [postHead("/rerank", { "X-Long": "x".repeat(20_000) })], 431, "headers_too_large", /^headers: /],
  ["no HTTP", ["hello\r\n\r\n"], 400, "invalid_request", /^expected an HTTP\/1.1 request/],
  ["a body that never arrives", [postHead("/rerank", { "Content-Length": 100 }), '{"query":'], 408, "request_timeout", /3000 ms/],
  ["headers that never arrive", ["POST /rerank HTTP/1.1\r\nHost: test\r\n", "X-Slow: "], 408, "request_timeout", /3000 ms/],
  [
    "a broken chunk",
    [postHead("/rerank", { "Transfer-Encoding": "chunked" }), "zz\r\n"],
    400,
    "invalid_request",
    /^expected an HTTP\/1.1 request/,
  ],
  ["CONNECT", [`CONNECT example.org:443 HTTP/1.1\r\n${host}\r\n`], 405, "method_not_allowed", /CONNECT/],
];

describe.each(cases)("%s", (_wrong, bytes, status, code, message) => {
  test("has an answer of every dialect, an id, a line in the log and a count", async () => {
    const before = await counted(status);
    const abandoned = await counted(499);
    const answer = await exchange(service.service.port, ...bytes);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toMatch(/application\/json/);
    const error = await readError(false, answer);
    expect(error).toEqual({ code, message: expect.stringMatching(message) });
    const id = answer.headers.get("x-request-id")?.trim();
    expect(id).toMatch(/^[\da-f-]{36}$/);
    const line = await service.logged(({ request_id }) => request_id === id);
    expect(line).toMatchObject({ msg: "request", status });
    expect(service.log.filter(({ request_id }) => request_id === id)).toHaveLength(1);
    expect(await counted(status)).toBe(before + 1);
    expect(await counted(499)).toBe(abandoned);
    expect(service.service.context.requests.inFlight).toBe(0);
    expect((await post(`${service.url}/rerank`, { query: "a", documents: ["b"] })).status).toBe(200);
  });
});

test("HTTP/1.0 needs no Host", async () => {
  expect((await exchange(service.service.port, "GET /ping HTTP/1.0\r\n\r\n")).status).toBe(200);
});

test("a query's broken escapes are no path's", async () => {
  expect((await fetch(`${service.url}/ping?x=%zz`)).status).toBe(200);
});

test("bytes behind an answer that ends its connection get none of their own", async () => {
  const head = `POST /v1/score/%zz HTTP/1.1\r\n${host}Content-Length: 0\r\n\r\n`;
  const answer = await exchange(service.service.port, `${head}{"text_1":"a"}`);
  expect(answer.status).toBe(400);
  // A second answer would follow the first.
  expect(await readError(false, answer)).toMatchObject({ code: "invalid_request" });
});
