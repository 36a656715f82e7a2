/** The service in somebody's own Fastify app, below a prefix: what it does there, and what it leaves alone. */

import cors from "@fastify/cors";
import helmet from "@fastify/helmet";
import fastifyStatic from "@fastify/static";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import underPressure from "@fastify/under-pressure";
import Fastify, { type FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { RerankError } from "../../src/errors.js";
import { Reranker } from "../../src/reranker.js";
import defaultExport, { type RerankServerOptions, rerankServer } from "../../src/server/index.js";
import { demoModel, recordingLogger } from "../support/demo-service.js";
import { hubTest, modelFile, repository } from "../support/hub.js";
import { bodyFor, readError, scoringRoutes } from "../support/scoring-routes.js";
import { until } from "../support/until.js";

const body = { query: "weather", documents: ["the weather is sunny", "rain"] };
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

let model: { modelPath: string; headPath: string };
let reranker: Reranker;
beforeAll(async () => {
  model = await demoModel();
  reranker = await Reranker.load({ ...model, gpuLayers: 0, threads: 1 });
});
afterAll(() => reranker.close());

type MountOptions = Omit<RerankServerOptions, "reranker" | "load">;

/** An app with a route, an error handler and a 404 of its own, and the service at /ranking. */
async function host(options: MountOptions = {}, prepare: (app: FastifyInstance) => void = () => {}) {
  const app: FastifyInstance = Fastify();
  prepare(app);
  app.setErrorHandler((_error, _request, reply) => reply.code(418).send("the app's error"));
  app.setNotFoundHandler((_request, reply) => reply.code(404).send("the app's 404"));
  app.get("/own", async () => ({ own: true }));
  app.post("/own", async (request) => ({ got: request.body }));
  app.get("/broken", async () => {
    throw new Error("broken");
  });
  // A busy machine is no reason to refuse.
  await app.register(rerankServer, { prefix: "/ranking", reranker, maxEventLoopDelayMs: 0, ...options });
  await app.ready();
  return { app, [Symbol.asyncDispose]: () => app.close() };
}

describe("below its prefix", () => {
  let app: FastifyInstance;
  beforeAll(async () => {
    ({ app } = await host({ modelName: "the-model" }));
  });
  afterAll(() => app.close());

  test.each(scoringRoutes)("POST $name scores as the library does", async (route) => {
    const payload = bodyFor(route, body.query, body.documents);
    const answer = await app.inject({ method: "POST", url: `/ranking${route.path}`, payload });
    expect(answer.statusCode).toBe(200);
    const { scores } = await reranker.score(body);
    for (const { index, score } of await route.read(answer)) expect(score).toBe(scores[index]);
  });

  test.each(["/ranking", "/ranking/"])("POST %s scores: the prefix is the service's root", async (url) => {
    const payload = { query: body.query, texts: body.documents };
    expect((await app.inject({ method: "POST", url, payload })).json()).toHaveLength(2);
  });

  test("probes, model and metrics are there", async () => {
    expect((await app.inject("/ranking/health")).json()).toMatchObject({ status: "ok", model: "the-model" });
    for (const path of ["/ready", "/ping", "/info", "/v1/models"]) {
      expect([path, (await app.inject(`/ranking${path}`)).statusCode]).toEqual([path, 200]);
    }
    const figures = (await app.inject("/ranking/metrics")).body;
    expect(figures).toMatch(/^rerank_requests_total\{route="\/ranking\/ping",/m);
    expect(figures).toMatch(/^process_cpu_seconds_total /m);
  });

  test("the playground's page has its files below the prefix, and is reached without the slash", async () => {
    const moved = await app.inject("/ranking?a=b");
    expect([moved.statusCode, new URL(moved.headers.location ?? "", "http://x/proxy/ranking").href]).toEqual([
      302,
      "http://x/proxy/ranking/?a=b",
    ]);
    const page = await app.inject("/ranking/");
    expect(page.headers["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'self';/);
    const links = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link = ""]) => new URL(link, "http://x/ranking/"));
    expect(links.length).toBeGreaterThan(2);
    for (const { pathname } of links) expect([pathname, (await app.inject(pathname)).statusCode]).toEqual([pathname, 200]);
  });

  test("the description names its server and its paths from there", async () => {
    const document: { servers: { url: string }[]; paths: object } = (await app.inject("/ranking/docs/json")).json();
    expect(new URL(document.servers[0]?.url ?? "", "http://x/ranking/docs/json").pathname).toBe("/ranking/");
    expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(["/", "/rerank", "/v1/models/{id}", "/metrics"]));
    expect(Object.keys(document.paths).filter((path) => /ranking\/|own/.test(path))).toEqual([]);
    const page = await app.inject("/ranking/docs");
    expect(new URL(page.headers.location ?? "", "http://x/ranking/docs").pathname).toBe("/ranking/docs/");
    expect((await app.inject("/ranking/docs/")).headers["content-security-policy"]).toMatch(/^default-src 'none'/);
  });

  test("what is not there, not allowed or wrong is told in the service's words, with its own paths", async () => {
    const missing = await app.inject({ method: "POST", url: "/ranking/nothing", payload: body });
    expect(missing.statusCode).toBe(404);
    expect(await readError(false, missing)).toMatchObject({
      code: "not_found",
      message: expect.stringMatching(/^no route POST \/ranking\/nothing; .*POST \/ranking\/rerank, /),
    });
    const wrongMethod = await app.inject("/ranking/rerank");
    expect([wrongMethod.statusCode, wrongMethod.headers.allow]).toEqual([405, "POST"]);
    const wrong = await app.inject({ method: "POST", url: "/ranking/rerank", payload: { query: 5 } });
    expect([wrong.statusCode, await readError(false, wrong)]).toMatchObject([400, { code: "invalid_request" }]);
  });
});

test("the app's own routes, parsers, 404 and errors stay as they were, and its ids stand in the answers", async () => {
  await using mounted = await host({ apiKeys: ["k"], bodyLimitMb: 1 });
  const { app } = mounted;
  const own = await app.inject("/own");
  expect([own.statusCode, own.json()]).toEqual([200, { own: true }]);
  for (const name of ["x-request-id", "content-security-policy", "server-timing"]) expect(own.headers[name]).toBeUndefined();
  const text = await app.inject({ method: "POST", url: "/own", headers: { "content-type": "text/plain" }, payload: "text" });
  expect(text.json()).toEqual({ got: "text" });
  expect((await app.inject("/broken")).body).toBe("the app's error");
  for (const url of ["/nothing", "/rankings", "/rerank", "/health"]) expect((await app.inject(url)).body).toBe("the app's 404");
  expect((await app.inject({ method: "PUT", url: "/own" })).body).toBe("the app's 404");
  expect((await app.inject("/ranking/ping")).headers["x-request-id"]).toMatch(/^req-/);
});

test("keys are wanted below the prefix only, and not for probes and the page", async () => {
  await using mounted = await host({ apiKeys: ["k"] });
  const status = async (url: string, headers = {}) => (await mounted.app.inject({ url, headers })).statusCode;
  for (const path of ["/metrics", "/docs/", "/info", "/nothing", "/rerank"]) {
    expect([path, await status(`/ranking${path}`)]).toEqual([path, 401]);
  }
  for (const path of ["", "/", "/health", "/ready", "/ping"]) {
    expect([path, (await status(`/ranking${path}`)) < 400]).toEqual([path, true]);
  }
  expect(await status("/own")).toBe(200);
  expect(await status("/ranking/info", bearer("k"))).toBe(200);
  const score = (headers: object) =>
    mounted.app.inject({ method: "POST", url: "/ranking", payload: body, headers: { ...headers } });
  expect((await score({})).statusCode).toBe(401);
});

test("playground, docs and metrics are each switched off", async () => {
  const paths = ["/", "/docs/", "/docs/json", "/metrics"];
  const found = async (options: MountOptions) => {
    await using mounted = await host(options);
    const statuses = await Promise.all(paths.map(async (path) => (await mounted.app.inject(`/ranking${path}`)).statusCode));
    return paths.filter((_, index) => statuses[index] === 200);
  };
  expect(await found({ playground: false })).toEqual(["/docs/", "/docs/json", "/metrics"]);
  expect(await found({ docs: false })).toEqual(["/", "/metrics"]);
  expect(await found({ metrics: false })).toEqual(["/", "/docs/", "/docs/json"]);
  expect(await found({ playground: false, docs: false, metrics: false })).toEqual([]);

  await using withoutDocs = await host({ docs: false });
  const { body: page } = await withoutDocs.app.inject("/ranking/");
  expect(page).not.toContain("data-docs");
  expect(page).toContain('<div id="app">');
});

test("two models in one app do not mix", async () => {
  const { app } = await host({ modelName: "one" });
  await app.close();
  const both = Fastify();
  const other = await Reranker.load({ ...model, gpuLayers: 0, threads: 1, maxDocuments: 1 });
  await both.register(rerankServer, { prefix: "/one", reranker, modelName: "one" });
  await both.register(defaultExport, { prefix: "/other", reranker: other, modelName: "other", apiKeys: ["k"], docs: false });
  const score = (url: string, headers = {}) => both.inject({ method: "POST", url, payload: body, headers });
  expect((await score("/one/rerank")).json()).toMatchObject({ model: "one", total_documents: 2 });
  expect((await score("/other/rerank")).statusCode).toBe(401);
  expect((await score("/other/rerank", bearer("k"))).json()).toMatchObject({ error: { code: "too_many_documents" } });
  const figures = (await both.inject({ url: "/other/metrics", headers: bearer("k") })).body;
  expect(figures).toContain('route="/other/rerank"');
  expect(figures).not.toContain("/one/");
  await both.close();
  await other.close();
});

test("an app that has the same plugins and compilers of its own is no obstacle", async () => {
  await using mounted = await host({}, (app) => {
    app.register(helmet);
    app.register(cors);
    app.register(fastifyStatic, { root: import.meta.dirname });
    app.register(swagger, { openapi: { info: { title: "the app", version: "1" } } });
    app.register(swaggerUi);
    app.register(underPressure, { maxEventLoopDelay: 100_000 });
    app.decorateRequest("work", "the app's");
    app.setSerializerCompiler(() => () => '"the app\'s serializer"');
    app.setValidatorCompiler(() => () => ({ error: new Error("the app's validator") }));
  });
  const { app } = mounted;
  const scored = await app.inject({ method: "POST", url: "/ranking/rerank", payload: body });
  expect(scored.json()).toMatchObject({ total_documents: 2 });
  expect(scored.headers["content-security-policy"]).toBe("default-src 'none'; frame-ancestors 'none'");
  expect((await app.inject("/ranking/")).headers["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'self'; /);
  expect((await app.inject("/ranking/docs/json")).json()).toMatchObject({ info: { title: "jina-reranker" } });
  expect((await app.inject("/documentation/json")).json()).toMatchObject({ info: { title: "the app" } });
});

describe("closing the app", () => {
  test("leaves a reranker open that was given", async () => {
    const { app } = await host();
    await app.close();
    expect((await reranker.score(body)).scores).toHaveLength(2);
  });

  test("finishes what runs, refuses what comes later, then closes the reranker that the plugin loaded", async () => {
    const app = Fastify();
    await app.register(rerankServer, { prefix: "/ranking", load: { ...model, gpuLayers: 0, threads: 1 } });
    const url = await app.listen({ host: "127.0.0.1", port: 0 });
    await until(async () => (await fetch(`${url}/ranking/health`)).status === 200);
    expect(await (await fetch(`${url}/ranking/health`)).json()).toMatchObject({ model: "lexical-demo" });
    const documents = Array.from({ length: 50 }, (_, index) => `document ${index} ${"word ".repeat(200)}`);
    const running = fetch(`${url}/ranking/rerank`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "word", documents }),
    });
    await until(async () => /^rerank_queue_pairs [1-9]/m.test(await (await fetch(`${url}/ranking/metrics`)).text()));
    const closed = app.close();
    expect(await (await running).json()).toMatchObject({ total_documents: 50 });
    await closed;
  });

  test("also closes one that is still being loaded", async () => {
    const app = Fastify();
    let activity = "";
    const onProgress = (_: number, now: string) => {
      activity = now;
    };
    await app.register(rerankServer, { prefix: "/ranking", load: { ...model, gpuLayers: 0, threads: 1, onProgress } });
    await app.close();
    // Closing waited for the end of loading.
    expect(activity).toBe("loading");
  });

  test("does not wait for the end of fetching a model", async () => {
    await using it = await hubTest();
    it.hub.fault = ({ host }) => (host === "storage" ? { respond: () => {} } : undefined);
    vi.stubEnv("HF_ENDPOINT", it.hub.url);
    vi.stubEnv("HF_HUB_CACHE", it.cacheDirectory);
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    const { logger, log } = recordingLogger();
    const app = Fastify({ loggerInstance: logger });
    await app.register(rerankServer, { prefix: "/ranking", load: { model: repository, file: modelFile } });
    await app.ready();
    await until(() => it.hub.requests.some(({ host }) => host === "storage"));
    await app.close();
    expect(log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });
});

test("a model that cannot be loaded is logged, and health says failed", async () => {
  const { logger, logged } = recordingLogger();
  const app = Fastify({ loggerInstance: logger });
  const headPath = `${model.modelPath}.nothing`;
  await app.register(rerankServer, { prefix: "/ranking", load: { modelPath: model.modelPath, headPath, gpuLayers: 0 } });
  await logged(({ msg }) => msg === "the model could not be loaded");
  expect((await app.inject("/ranking/health")).json()).toMatchObject({
    status: "failed",
    reason: expect.stringContaining(headPath),
  });
  await app.close();
});

test("a wrong option of the load refuses the registration, although the model has a name", async () => {
  const app = Fastify();
  const registered = Promise.resolve(
    app.register(rerankServer, { prefix: "/ranking", modelName: "mine", load: { demo: true, contextSize: 3 } }),
  );
  await expect(registered).rejects.toMatchObject({ code: "invalid_option", message: expect.stringMatching(/^contextSize: /) });
  await app.close();
});

test.each([
  ["no model", {}, "reranker: expected a loaded one, or load with its options, got neither"],
  ["a misspelt option", { apiKey: ["k"] }, "apiKey: no such option; the nearest is apiKeys"],
  ["no keys", { apiKeys: [] }, /^apiKeys: expected keys .*got an array$/],
  ["a key with a space", { apiKeys: ["secret key"] }, /^apiKeys: expected keys .*got an array$/],
  ["a switch that is none", { docs: "off" }, "docs: expected true or false, got a string"],
  ["a wrong number", { requestTimeoutMs: 0 }, /^requestTimeoutMs: expected a whole number .*got 0$/],
])("%s refuses the registration", async (name, options, message) => {
  const app = Fastify();
  const given = { prefix: "/ranking", ...(name !== "no model" && { reranker }), ...options };
  const registered = Reflect.apply(app.register, app, [rerankServer, given]);
  const error: unknown = await Promise.resolve(registered).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RerankError);
  expect(error).toMatchObject({ code: "invalid_option", message: expect.stringMatching(message) });
  await app.close();
});
