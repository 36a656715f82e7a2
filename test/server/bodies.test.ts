/** What strangers may do with bodies: claim many, send them slowly, ask before they send. */

import { connect, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { BodyBudget } from "../../src/server/body-budget.js";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { postHead } from "../support/raw-http.js";
import { event, until } from "../support/until.js";

const mebibyte = 2 ** 20;
const json = (body: unknown) => JSON.stringify(body);
const small = { query: "weather", documents: ["the weather is sunny"] };

/** A connection that keeps what the server sent. */
class Client {
  received = "";
  readonly socket: Socket;

  constructor({ service }: TestService, head: string) {
    this.socket = connect(service.port, "127.0.0.1").setEncoding("utf8");
    this.socket.on("data", (chunk: string) => {
      this.received += chunk;
    });
    // The server may close while there is more to be written.
    this.socket.on("error", () => {});
    this.socket.write(head);
  }

  get status(): string | undefined {
    return this.received.match(/^HTTP\/1\.1 (\d+)/)?.[1];
  }
}

describe("the memory for bodies", () => {
  test("is given until it is used up, three quarters of it to large bodies, and taken back", () => {
    const budget = new BodyBudget(8 * mebibyte);
    const [first, second, third] = [budget.lease(), budget.lease(), budget.lease()];
    expect([first.growTo(4 * mebibyte), second.growTo(3 * mebibyte), second.growTo(2 * mebibyte)]).toEqual([true, false, true]);
    // A small one still fits beside the large ones, until it is large itself.
    expect([third.growTo(mebibyte), third.growTo(mebibyte + 1)]).toEqual([true, false]);
    expect(budget.bytes).toBe(7 * mebibyte);
    for (const lease of [first, first, second, third]) lease.release();
    expect(budget.bytes).toBe(0);
    expect(third.growTo(6 * mebibyte)).toBe(true);
  });
});

describe("many slow bodies", () => {
  test("beyond what there is room for are refused unread with Retry-After, and small requests are answered", async () => {
    await using service = await startTestService({ server: { bodiesLimitBytes: 32 * mebibyte, bodyPatienceMs: 600_000 } });
    const { bodies } = service.service.context;
    const head = postHead("/rerank", { "Content-Length": 8 * mebibyte });
    const clients = Array.from({ length: 20 }, () => new Client(service, `${head}{`));
    await until(() => clients.filter(({ status }) => status === "503").length === 17);
    expect(bodies.bytes).toBe(24 * mebibyte);
    expect(clients.find(({ status }) => status === "503")?.received).toMatch(/retry-after: 2\r/i);
    expect(clients.find(({ status }) => status === "503")?.received).toContain('"code":"overloaded"');
    expect((await post(`${service.url}/rerank`, small)).status).toBe(200);
    // It was refused unread, and is in the log with its id all the same.
    expect(await service.logged(({ status }) => status === 503)).toMatchObject({
      route: "/rerank",
      request_id: expect.any(String),
    });
    for (const { socket } of clients) socket.destroy();
    await until(() => bodies.bytes === 0);
    // A connection that ends within a body is a broken request; one that is reset is a client that left.
    expect(await service.logged(({ status }) => status === 400 || status === 499)).toMatchObject({ route: "/rerank" });
    const large = { ...small, padding: "x".repeat(8 * mebibyte - 1000) };
    expect((await post(`${service.url}/rerank`, large)).status).toBe(200);
    await until(() => bodies.bytes === 0);
  });

  test("without a length are counted as they come", async () => {
    await using service = await startTestService({ server: { bodiesLimitBytes: 4 * mebibyte } });
    const client = new Client(service, postHead("/rerank", { "Transfer-Encoding": "chunked" }));
    const chunk = `${(65536).toString(16)}\r\n${" ".repeat(65536)}\r\n`;
    // Large bodies may have three mebibytes; this is more.
    for (let times = 0; times < 64 && client.status === undefined; times++) {
      client.socket.write(chunk);
      await new Promise(setImmediate);
    }
    await until(() => client.status === "503");
    expect(client.received).toContain('"code":"overloaded"');
    await until(() => service.service.context.bodies.bytes === 0);
    expect((await post(`${service.url}/rerank`, small)).status).toBe(200);
  });

  test.each([
    ["of a known length", { "Content-Length": 100_000 }, "{"],
    ["of none", { "Transfer-Encoding": "chunked" }, "1\r\n{\r\n"],
  ])("%s that come too slowly end with 408, in the log as well", async (_, headers, first) => {
    await using service = await startTestService({ server: { bodyPatienceMs: 50 } });
    const client = new Client(service, postHead("/rerank", headers) + first);
    await event(client.socket, "close", "the connection");
    expect(client.status).toBe("408");
    expect(client.received).toContain('"code":"request_timeout"');
    expect(client.received).toMatch(/x-request-id: \S+/i);
    expect(await service.logged(({ status }) => status === 408)).toMatchObject({ route: "/rerank" });
    expect(service.service.context.bodies.bytes).toBe(0);
  });
});

describe("Expect: 100-continue", () => {
  const expecting = (headers: Readonly<Record<string, string | number>>) =>
    postHead("/rerank", { Expect: "100-continue", ...headers });

  test("is answered by telling the client to send, when the request may be scored", async () => {
    await using service = await startTestService({ server: { apiKeys: ["k"] } });
    const body = json(small);
    const client = new Client(service, expecting({ Authorization: "Bearer k", "Content-Length": body.length }));
    await until(() => client.received.includes("\r\n\r\n"));
    expect(client.received).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    client.socket.write(body);
    await event(client.socket, "close", "the connection");
    expect(client.received.slice(25)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test.each([
    ["without a key", "401", {}, false],
    ["while the server drains", "503", { Authorization: "Bearer k" }, true],
    ["with too large a body", "413", { Authorization: "Bearer k", "Content-Length": 64 * mebibyte }, false],
    ["with more than there is room for", "503", { Authorization: "Bearer k", "Content-Length": 30 * mebibyte }, false],
  ])("%s is answered with %s at once, and the connection is closed", async (_, status, headers, drain) => {
    await using service = await startTestService({ server: { apiKeys: ["k"], bodiesLimitBytes: 32 * mebibyte } });
    if (drain) service.service.context.drain();
    const client = new Client(service, expecting({ Connection: "keep-alive", "Content-Length": 100, ...headers }));
    await event(client.socket, "close", "the connection");
    expect(client.status).toBe(status);
    expect(client.received).not.toContain("100 Continue");
    expect(client.received).toMatch(/connection: close/i);
  });
});

test("a client that sends all of a large body is told why it was refused, and not cut off", async () => {
  await using service = await startTestService({ server: { apiKeys: ["k"] } });
  const large = { ...small, padding: "x".repeat(8 * mebibyte) };
  for (let times = 0; times < 5; times++) expect((await post(`${service.url}/rerank`, large)).status).toBe(401);
});
