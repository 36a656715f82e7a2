import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Keys } from "../../src/server/keys.js";
import { readSettings } from "../../src/settings/read.js";
import { settings } from "../../src/settings/table.js";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { methodsOf, registeredRoutes } from "../support/registered-routes.js";
import { until } from "../support/until.js";

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
    { "x-api-key": "first-key" },
    { "api-key": "second-key" },
    { "X-API-Key": " first-key " },
    { authorization: "Basic of-a-proxy", "x-api-key": "first-key" },
  ])("%j is let in", async (headers) => {
    expect((await post(`${service.url}/rerank`, body, { headers: { ...json, ...headers } })).status).toBe(200);
  });

  test.each([{ "x-api-key": "" }, { "x-api-key": "first" }, { "api-key": "first-key,second-key" }, { "x-key": "first-key" }])(
    "%j is refused",
    async (headers) => {
      expect((await post(`${service.url}/rerank`, body, { headers: { ...json, ...headers } })).status).toBe(401);
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

  test("an answer that depends on the origin and the encoding names both", async () => {
    const [, script = ""] = (await (await fetch(service.url)).text()).match(/src="([^"]+\.js)"/) ?? [];
    const answer = await fetch(new URL(script, service.url), { headers: { origin: "https://app.example" } });
    expect(answer.headers.get("vary")?.toLowerCase().split(/, */).toSorted()).toEqual(["accept-encoding", "origin"]);
  });
});

describe("a file with keys", () => {
  const directory = mkdtempSync(join(tmpdir(), "jina-reranker-keys-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  let files = 0;
  const keyFile = (text: string) => {
    const path = join(directory, `keys-${files++}`);
    writeFileSync(path, text);
    return path;
  };
  const ask = ({ url }: TestService, key: string) =>
    post(`${url}/rerank`, body, { headers: { ...json, authorization: `Bearer ${key}`, "x-request-id": `of-${key.length}` } });

  test("lets in who has one of them, and logs whose it is, not what", async () => {
    const apiKeysFile = keyFile("\uFEFF# of the teams\n\nsearch:key-of-search\r\n  key-of-nobody  \nweb: key:with:colons\n");
    await using service = await startTestService({ server: { apiKeys: ["from-variable"], apiKeysFile } });
    for (const key of ["key-of-search", "key-of-nobody", "key:with:colons", "from-variable"]) {
      expect([key, (await ask(service, key)).status]).toEqual([key, 200]);
    }
    for (const key of ["search:key-of-search", "search", "# of the teams", "#"]) {
      expect([key, (await ask(service, key)).status]).toEqual([key, 401]);
    }
    const named = await service.logged(({ request_id, status }) => request_id === "of-13" && status === 200);
    expect(named).toMatchObject({ key: expect.stringMatching(/^search$/) });
    expect(await service.logged(({ key }) => key === "web")).toMatchObject({ status: 200 });
    expect(JSON.stringify(service.log)).not.toMatch(/key-of|with:colons|from-variable/);
  });

  test.each([
    ["that is empty", "", "holds no key"],
    ["of comments alone", "# first\n  \n#second\n", "holds no key"],
    ["with a name and no key", "good\nsearch:\n", "line 2: expected a key"],
    ["with a key of two words", "two words", "line 1: expected a key"],
    ["with no name before the colon", ":secret", "line 1: expected a name"],
  ])("%s refuses the start, and nothing of it is repeated", (_, text, expected) => {
    const file = keyFile(text);
    const start = () => new Keys({ file });
    expect(start).toThrow(expected);
    expect(start).toThrow(file);
    expect(start).not.toThrow(/secret|two words|search/);
  });

  test("that is not there refuses the start", () => {
    expect(() => new Keys({ file: join(directory, "none") })).toThrow(/^API_KEYS_FILE: .*none cannot be read: ENOENT$/);
  });

  test("is read again when it changes, also when it is swapped below a link; a wrong one changes nothing", async () => {
    const [first, second] = [keyFile("old-key\n"), keyFile("new-key\n")];
    const link = join(directory, "mounted");
    symlinkSync(first, link);
    using keys = new Keys({ file: link });
    const told: unknown[] = [];
    keys.watch({ onReloaded: (count) => told.push(count), onError: (error) => told.push(error) }, 20);
    const swap = (target: string) => {
      symlinkSync(target, `${link}.new`);
      renameSync(`${link}.new`, link);
    };
    swap(second);
    await until(() => keys.caller("new-key") !== undefined);
    expect([keys.caller("old-key"), told]).toEqual([undefined, [1]]);
    swap(keyFile("# nothing any more"));
    await until(() => told.length === 2);
    expect(told[1]).toMatchObject({ code: "invalid_option" });
    expect([keys.wanted, keys.caller("new-key"), keys.caller("")]).toEqual([true, { name: undefined }, undefined]);
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
    const allowed = ["/", "/health", "/ping", "/playground.json", "/ready"];
    expect(open.filter((url) => !allowed.includes(url) && !url.startsWith("/assets/"))).toEqual([]);
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
    "/docs/json": /^default-src 'none'; script-src 'self';.*frame-ancestors 'none'/,
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
    expect(read({ CORS_ORIGIN: "*" })).toEqual({ apiKeys: undefined, corsOrigins: ["*"] });
  });

  test.each(["API_KEYS", "API_KEYS_FILE"])("%s set and empty stops the start, since the service would be open", (name) => {
    expect(() => readSettings(["apiKeys", "apiKeysFile"], {}, { [name]: "" })).toThrow(
      new RegExp(`^${name}: expected .*, got an empty value; unset it`),
    );
  });

  test("every secret that is set and empty was decided on", () => {
    const secrets = Object.values(settings).filter((row) => /KEY|TOKEN|SECRET|PASSWORD/.test(row.environment) || "secret" in row);
    const decided = secrets.map((row) => [row.environment, "emptyRefused" in row && row.emptyRefused]);
    expect(Object.fromEntries(decided)).toEqual({
      ...{ API_KEYS: true, API_KEYS_FILE: true, HF_TOKEN: false },
      ...{ BATCH_TOKENS: false, IMAGE_MAX_TOKENS: false },
    });
    expect(readSettings(["hfToken"], {}, { HF_TOKEN: "" })).toEqual({ hfToken: undefined });
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
