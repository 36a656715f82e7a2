/** The client retries failures that may pass, waits as the server asks, and stops when its signal aborts. */

import { describe, expect, test } from "vitest";
import { RerankClient } from "../../src/client/index.js";
import { waitForTimer } from "../../src/client/retry.js";
import { type Scripted, startScriptedServer } from "../support/scripted-server.js";
import { good, impatient, refusal, rejected, request } from "./impatient-client.js";

describe("a retry", () => {
  test("follows 503 and 429 after the seconds or the date of Retry-After", async () => {
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
    // Never earlier than asked, and later only by a random part of a second, which keeps clients apart.
    expect(waits.map((wait) => Math.floor(wait / 1000))).toEqual([2, 7]);
  });

  test("without Retry-After comes after ever longer waits that are partly random", async () => {
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

  test("happens three times, then the client rejects with the last answer's error", async () => {
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
  ])("follows %s", async (_what, script) => {
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
  ])("does not follow a %i", async (status, code) => {
    await using server = await startScriptedServer([refusal(status, code, { "retry-after": "0" })]);
    const { client } = impatient(server.url);
    expect(await rejected(client.rerank(request))).toMatchObject({ code, status });
    expect(server.requests).toHaveLength(1);
  });

  test("does not follow a Retry-After of more than a minute, which the error reports", async () => {
    await using server = await startScriptedServer([refusal(503, "loading", { "retry-after": "3600" })]);
    const { client, waits } = impatient(server.url);
    expect(await rejected(client.rerank(request))).toMatchObject({ code: "loading", retryAfterSeconds: 3600 });
    expect(waits).toEqual([]);
  });

  test("does not happen with retries: 0", async () => {
    await using server = await startScriptedServer([refusal(503, "loading")]);
    const { client } = impatient(server.url, 0);
    await rejected(client.rerank(request));
    expect(server.requests).toHaveLength(1);
  });

  test("follows a refused connection; after the last one the error is a network_error with its cause", async () => {
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
  test("ends a running request with the signal's reason and without a retry", async () => {
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

  test("of a timeout limits all tries together", async () => {
    await using server = await startScriptedServer([refusal(503, "loading", { "retry-after": "60" })]);
    const client = new RerankClient({ baseUrl: server.url });
    await expect(client.rerank({ ...request, signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ name: "TimeoutError" });
  });
});
