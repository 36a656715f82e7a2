import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSettings } from "../src/settings.js";
import { post, startTestService, type TestService } from "./support/demo-service.js";
import { methodsOf, registeredRoutes } from "./support/registered-routes.js";
import { until } from "./support/until.js";

const body = { query: "weather", documents: ["the weather is sunny"] };
const json = { "content-type": "application/json" };

describe("with keys", () => {
  const keys = ["first-key", "second-key"];
  let service: TestService;
  const ask = (authorization?: string) =>
    post(`${service.url}/rerank`, body, { headers: { ...json, ...(authorization !== undefined && { authorization }) } });
  beforeAll(async () => {
    service = await startTestService({ server: { apiKeys: keys, corsOrigins: ["https://app.example"] } });
  });
  afterAll(() => service.service.stop());

  test.each(["Bearer first-key", "Bearer second-key", "bearer first-key", "Bearer  second-key "])(
    "%j is let in",
    async (given) => {
      expect((await ask(given)).status).toBe(200);
    },
  );

  test.each([
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "Bearer first",
    "Bearer first-key2",
    "Bearer first-key,second-key",
    "Basic first-key",
    "first-key",
  ])("%j is refused with 401 and told that Bearer is wanted, and nothing is scored", async (given) => {
    const before = service.reranker.stats().jobsSubmitted;
    const answer = await ask(given);
    expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    expect(await answer.json()).toMatchObject({ error: { code: "unauthorized" }, detail: expect.any(String) });
    expect(service.reranker.stats().jobsSubmitted).toBe(before);
  });

  test("a request without a key is refused before its body is read", async () => {
    const socket = connect(service.service.port, "127.0.0.1").setEncoding("utf8");
    let received = "";
    socket.on("data", (chunk: string) => {
      received += chunk;
    });
    socket.write("POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{");
    await until(() => received.includes("unauthorized"));
    expect(received).toMatch(/^HTTP\/1.1 401 /);
    socket.destroy();
  });

  test("no key is in any log line or answer, neither a right one nor a wrong one", async () => {
    const wrong = await ask("Bearer a-wrong-secret");
    await (await ask("Bearer first-key")).text();
    expect(await wrong.text()).not.toContain("a-wrong-secret");
    await service.logged(({ status }) => status === 401);
    expect(JSON.stringify(service.log)).not.toMatch(/first-key|second-key|a-wrong-secret/);
  });

  test("a page of an allowed origin may ask beforehand without a key, and read answers and refusals", async () => {
    const origin = { origin: "https://app.example" };
    const preflight = await fetch(`${service.url}/rerank`, {
      method: "OPTIONS",
      headers: {
        ...origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(preflight.headers.get("access-control-allow-headers")).toBe("authorization,content-type");
    const refused = await post(`${service.url}/rerank`, body, { headers: { ...json, ...origin } });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, "https://app.example"]);
    expect(refused.headers.get("access-control-expose-headers")).toContain("Retry-After");
    const other = await post(`${service.url}/rerank`, body, { headers: { ...json, origin: "https://evil.example" } });
    expect(other.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("every registered route", () => {
  test("that takes a POST wants a key, and with one is stopped by the scoring gate while there is no model", async () => {
    const { server, routes } = await registeredRoutes({ apiKeys: ["k"] });
    const posts = routes.filter((route) => methodsOf(route).includes("POST"));
    expect(posts.map(({ url }) => url)).toContain("/rerank");
    for (const { url } of posts) {
      const request = { method: "POST", url, payload: {} } as const;
      expect([url, (await server.inject(request)).statusCode]).toEqual([url, 401]);
      const withKey = await server.inject({ ...request, headers: { authorization: "Bearer k" } });
      expect([url, withKey.statusCode, withKey.headers["retry-after"]]).toEqual([url, 503, "2"]);
    }
  });

  test("wants a key, but for the probes and the playground; one that does not exist wants it too", async () => {
    const { server, routes } = await registeredRoutes({ apiKeys: ["k"] });
    const open: string[] = [];
    for (const { url } of routes.filter((route) => methodsOf(route).includes("GET"))) {
      if ((await server.inject(url.replace("*", "x"))).statusCode !== 401) open.push(url);
    }
    const allowed = ["/", "/assets/*", "/health", "/ping", "/ready"];
    expect(open.filter((url) => !allowed.includes(url))).toEqual([]);
    expect(open).toEqual(expect.arrayContaining(["/health", "/ping", "/ready"]));
    for (const url of ["/nothing", "/metrics", "//metrics", "/metrics/", "/health/x"]) {
      expect([url, (await server.inject(url)).statusCode]).toEqual([url, 401]);
    }
  });
});

test("without keys nobody needs one, and no page of another origin may read an answer", async () => {
  await using service = await startTestService();
  const answer = await post(`${service.url}/rerank`, body, { headers: { ...json, origin: "https://app.example" } });
  expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([200, null]);
});

test("every answer forbids pages to load from elsewhere, to be framed, and to guess types", async () => {
  const { server } = await registeredRoutes();
  const policies = {
    "/ping": /^default-src 'none'; frame-ancestors 'none'$/,
    "/nothing": /^default-src 'none'; frame-ancestors 'none'$/,
    "/": /^default-src 'none'; script-src 'self';.*frame-ancestors 'none'/,
    "/docs/json": /^default-src 'self';.*frame-ancestors 'self'/,
  };
  for (const [url, policy] of Object.entries(policies)) {
    const { headers } = await server.inject(url);
    expect(headers["content-security-policy"]).toMatch(policy);
    expect(headers["content-security-policy"]).not.toContain("unsafe");
    expect(headers["x-content-type-options"]).toBe("nosniff");
  }
});

describe("the settings", () => {
  const read = (variables: Record<string, string>) => readSettings(["apiKeys", "corsOrigins"], {}, variables);

  test("are lists separated by commas", () => {
    expect(read({ API_KEYS: " a, b ,", CORS_ORIGIN: "https://a.example,http://localhost:5173" })).toEqual({
      apiKeys: ["a", "b"],
      corsOrigins: ["https://a.example", "http://localhost:5173"],
    });
    expect(read({ API_KEYS: "", CORS_ORIGIN: "*" })).toEqual({ apiKeys: undefined, corsOrigins: ["*"] });
  });

  test.each(["two words", ",", "schlüssel"])("a value that holds no keys, %j, stops the start and is not repeated", (value) => {
    expect(() => read({ API_KEYS: value })).toThrow(
      /^API_KEYS: expected keys without spaces, separated by commas, got something else$/,
    );
  });

  test.each(["app.example", "https://app.example/", "https://a.example https://b.example"])("%j is no origin", (value) => {
    expect(() => read({ CORS_ORIGIN: value })).toThrow(/^CORS_ORIGIN: expected origins/);
  });
});
