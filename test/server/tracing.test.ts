import { describe, expect, test } from "vitest";
import { collectorOf } from "../../src/cli/service-options.js";
import { startTracing } from "../../src/server/observe/open-telemetry.js";
import { readTraceparent } from "../../src/server/observe/traceparent.js";
import { readSettings } from "../../src/settings/read.js";
import { startCommand } from "../support/command.js";
import { post, startTestService } from "../support/demo-service.js";
import { structuredPng } from "../support/image-model.js";
import { attributesOf, type OtlpDouble, startOtlpDouble } from "../support/otlp-double.js";
import { randomModel, wideShape } from "../support/random-models.js";
import { mixedDocuments, text } from "../support/texts.js";
import { dataUri, startVisionService } from "../support/vision-service.js";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";
const traceparent = `00-${traceId}-${spanId}-01`;
const body = { query: "secretquery", documents: ["secretdocument one", "two"] };
const headers = { "content-type": "application/json", traceparent };

const to = ({ url }: OtlpDouble) => ({ url: `${url}/v1/traces`, protocol: "http/json" as const });

describe("traceparent", () => {
  test.each([
    [traceparent, { traceId, spanId, flags: 1 }],
    [`00-${traceId}-${spanId}-00`, { traceId, spanId, flags: 0 }],
    [`cc-${traceId}-${spanId}-01-what-the-future-will-be-like`, { traceId, spanId, flags: 1 }],
  ])("%s is read", (header, expected) => {
    expect(readTraceparent(header)).toEqual(expected);
  });

  test.each([
    undefined,
    "",
    "nonsense",
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}`,
  ])("%s is ignored", (header) => {
    expect(readTraceparent(header)).toBeUndefined();
  });

  test("goes into the request's log line; without one, or with a wrong one, there is nothing of it", async () => {
    await using service = await startTestService();
    for (const [id, given] of [
      ["with", traceparent],
      ["wrong", "00-1-2-3"],
    ] as const) {
      await post(`${service.url}/rerank`, body, { headers: { ...headers, traceparent: given, "x-request-id": id } });
    }
    expect(await service.logged(({ request_id }) => request_id === "with")).toMatchObject({ trace_id: traceId, span_id: spanId });
    expect(await service.logged(({ request_id }) => request_id === "wrong")).not.toHaveProperty("trace_id");
  });
});

describe("with a collector", () => {
  test("a request is a span in the caller's trace, with what it waited and what was computed below it", async () => {
    await using collector = await startOtlpDouble();
    const service = await startTestService({ server: { tracing: startTracing(to(collector)) } });
    const answer = await post(`${service.url}/rerank`, { ...body, top_k: 1 }, { headers });
    const stated = answer.headers.get("server-timing")?.match(/computed;desc="(\d+)"/)?.[1];
    await fetch(`${service.url}/health`);
    const line = await service.logged(({ route }) => route === "/rerank");
    await service.service.stop();

    const [request, ...others] = collector.spans.filter(({ kind }) => kind === 2);
    expect(others).toEqual([]);
    expect(request).toMatchObject({ name: "POST /rerank", traceId, parentSpanId: spanId });
    expect(request && attributesOf(request)).toMatchObject({
      "http.request.method": "POST",
      "http.route": "/rerank",
      "http.response.status_code": 200,
      "rerank.pairs": 2,
    });
    expect(line).toMatchObject({ trace_id: traceId, span_id: request?.spanId });
    const spanOf = (name: string) => collector.spans.find((span) => span.name === name);
    const [ranking, queue, compute] = ["rerank test-model", "queue", "compute"].map(spanOf);
    expect(ranking).toMatchObject({ traceId, parentSpanId: request?.spanId, kind: 1 });
    expect(ranking && attributesOf(ranking)).toEqual({
      "gen_ai.operation.name": "rerank",
      "gen_ai.provider.name": "jina-reranker",
      "gen_ai.request.model": "test-model",
      "gen_ai.response.model": "test-model",
      "gen_ai.rerank.candidate.count": 2,
      "gen_ai.rerank.top_n": 1,
      "gen_ai.usage.input_tokens": line.tokens,
      "gen_ai.usage.cache_read.input_tokens": 0,
      "server.address": "127.0.0.1",
      "server.port": service.service.port,
    });
    for (const step of [queue, compute]) expect(step).toMatchObject({ traceId, parentSpanId: ranking?.spanId });
    expect(compute && attributesOf(compute)["rerank.tokens_computed"]).toBe(Number(stated));
    const times = [request?.startTimeUnixNano, queue?.startTimeUnixNano, queue?.endTimeUnixNano, compute?.endTimeUnixNano];
    const nanoseconds = times.map((time) => BigInt(time ?? 0));
    expect(nanoseconds).toEqual(nanoseconds.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
    expect(compute?.startTimeUnixNano).toBe(queue?.endTimeUnixNano);
    expect(collector.services).toEqual(new Set(["jina-reranker"]));
    expect(collector.bodies.join()).not.toMatch(/secretquery|secretdocument/);
  });

  test("the results that were asked for are told with logits, too, of which the reranker ranks all", async () => {
    await using collector = await startOtlpDouble();
    const service = await startTestService({ server: { tracing: startTracing(to(collector)) } });
    await post(`${service.url}/rerank`, { ...body, top_k: 1, raw_scores: true });
    await service.service.stop();
    const ranking = collector.spans.find(({ name }) => name.startsWith("rerank "));
    expect(ranking && attributesOf(ranking)).toMatchObject({ "gen_ai.rerank.top_n": 1 });
  });

  test("the reading of images is a step of its own, before the queue", async () => {
    await using collector = await startOtlpDouble();
    const service = await startVisionService({ server: { tracing: startTracing(to(collector)) } });
    const image = dataUri(structuredPng(84, 56, 1));
    await post(`${service.url}/rerank`, { query: "a", documents: [{ image }, "b"] }, { headers });
    await service.service.stop();
    const spanOf = (name: string) => collector.spans.find((span) => span.name === name);
    const [request, images, queue, compute] = ["POST /rerank", "images", "queue", "compute"].map(spanOf);
    const ranking = collector.spans.find(({ name }) => name.startsWith("rerank "));
    expect(ranking && attributesOf(ranking)).not.toHaveProperty("gen_ai.rerank.top_n");
    expect(request && attributesOf(request)).toMatchObject({ "rerank.pairs": 2, "rerank.images": 1 });
    expect(images).toMatchObject({ traceId, parentSpanId: ranking?.spanId, endTimeUnixNano: queue?.startTimeUnixNano });
    expect(compute && attributesOf(compute)).toMatchObject({ "rerank.images_encoded": 1 });
    expect(collector.bodies.join()).not.toContain(image.slice(30, 60));
  });

  test("a request that failed says why, and only an error of the server is one of the request's span", async () => {
    await using collector = await startOtlpDouble();
    const load = { ...(await randomModel(wideShape)), contextSize: 512 };
    const service = await startTestService({ load, requestTimeoutMs: 1500, server: { tracing: startTracing(to(collector)) } });
    const tooLong = await post(`${service.url}/rerank`, { query: "a", documents: [text(600, 1)], truncate: false });
    const tooLate = await post(`${service.url}/rerank`, { query: text(20, 2), documents: mixedDocuments(60, 300, 400, 3) });
    expect([tooLong.status, tooLate.status]).toEqual([422, 504]);
    await service.service.stop();
    const failed = collector.spans.map((span) => ({ ...span, ...attributesOf(span) }));
    const rankings = failed.filter(({ kind }) => kind === 1);
    const common = { name: "rerank test-model", status: { code: 2 }, "gen_ai.operation.name": "rerank" };
    expect(rankings).toMatchObject([
      { ...common, "error.type": "document_too_long", "gen_ai.rerank.candidate.count": 1 },
      { ...common, "error.type": "timeout", "gen_ai.rerank.candidate.count": 60 },
    ]);
    for (const span of rankings) expect(span).not.toHaveProperty(["gen_ai.response.model"]);
    const requests = failed.filter(({ kind }) => kind === 2);
    expect(requests[0]).not.toHaveProperty(["error.type"]);
    expect(requests[1]).toMatchObject({ status: { code: 2 }, "error.type": "504" });
    expect(rankings.map(({ parentSpanId }) => parentSpanId)).toEqual(requests.map((request) => request.spanId));
  });

  test("a refused request is a span too, one that its caller does not sample is none", async () => {
    await using collector = await startOtlpDouble();
    const service = await startTestService({ server: { apiKeys: ["k"], tracing: startTracing(to(collector)) } });
    await post(`${service.url}/rerank`, body, { headers });
    await post(`${service.url}/rerank`, body, { headers: { ...headers, traceparent: `00-${"a".repeat(32)}-${spanId}-00` } });
    await service.service.stop();
    expect(collector.spans.map((span) => [span.traceId, attributesOf(span)["http.response.status_code"]])).toEqual([
      [traceId, 401],
    ]);
  });

  test("a caller's tracestate is kept, and nothing is made of one without a traceparent", async () => {
    await using collector = await startOtlpDouble();
    const service = await startTestService({ server: { tracing: startTracing(to(collector)) } });
    const tracestate = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7";
    await post(`${service.url}/rerank`, body, { headers: { ...headers, tracestate } });
    await post(`${service.url}/rerank`, body, { headers: { "content-type": "application/json", tracestate } });
    await service.service.stop();
    const requests = collector.spans.filter(({ kind }) => kind === 2);
    expect(requests.map((span) => [span.traceId === traceId, span.traceState])).toEqual([
      [true, tracestate],
      [false, undefined],
    ]);
  });

  test("protobuf is sent as protobuf", async () => {
    await using collector = await startOtlpDouble();
    const tracing = startTracing({ ...to(collector), protocol: "http/protobuf" });
    const service = await startTestService({ server: { tracing } });
    expect((await post(`${service.url}/rerank`, body, { headers })).status).toBe(200);
    await service.service.stop();
    expect(collector.contentTypes).toEqual(["application/x-protobuf"]);
    expect(collector.bodies[0]).toContain("POST /rerank");
    expect(collector.bodies[0]).not.toMatch(/secretquery|secretdocument/);
  });

  test("a collector that cannot be reached delays neither answers nor the end", async () => {
    const collector = await startOtlpDouble();
    await collector[Symbol.asyncDispose]();
    const service = await startTestService({ server: { tracing: startTracing(to(collector)) } });
    expect((await post(`${service.url}/rerank`, body)).status).toBe(200);
    await service.service.stop();
    expect(service.service.context.state.status).toBe("draining");
  });
});

describe("the variables of OpenTelemetry", () => {
  const names = ["otelEndpoint", "otelTracesEndpoint", "otelProtocol", "otelTracesProtocol"] as const;
  const collector = (variables: Record<string, string>) =>
    collectorOf(
      readSettings(
        names,
        {},
        Object.fromEntries(Object.entries(variables).map(([name, value]) => [`OTEL_EXPORTER_OTLP_${name}`, value])),
      ),
    );

  test.each([
    [{}, undefined],
    [{ PROTOCOL: "http/protobuf" }, undefined],
    [{ ENDPOINT: "http://c:4318/" }, { url: "http://c:4318/v1/traces", protocol: "http/json" }],
    [
      { ENDPOINT: "http://c:4318/base", PROTOCOL: "http/protobuf" },
      { url: "http://c:4318/base/v1/traces", protocol: "http/protobuf" },
    ],
    [{ TRACES_ENDPOINT: "http://t/here?key=1" }, { url: "http://t/here?key=1", protocol: "http/json" }],
    [
      { ENDPOINT: "http://c", TRACES_ENDPOINT: "http://t/here", PROTOCOL: "http/protobuf", TRACES_PROTOCOL: "http/json" },
      { url: "http://t/here", protocol: "http/json" },
    ],
  ])("%j", (variables, expected) => {
    expect(collector(variables)).toEqual(expected);
  });

  test.each(["PROTOCOL", "TRACES_PROTOCOL"])("a protocol that is not spoken here stops the start, in %s too", (name) => {
    expect(() => collector({ ENDPOINT: "http://c", [name]: "grpc" })).toThrow(
      `OTEL_EXPORTER_OTLP_${name}: expected one of http/json, http/protobuf, got "grpc"`,
    );
  });
});

test("OTEL_EXPORTER_OTLP_ENDPOINT makes the command send spans, and its end sends those that are left", async () => {
  await using collector = await startOtlpDouble();
  const args = ["serve", "--demo", "--host", "127.0.0.1", "--port", "0", "--n-threads", "1"];
  const command = startCommand(args, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_SERVICE_NAME: "mine" });
  const ready: { port: number } = JSON.parse(await command.line((line) => line.includes('"msg":"ready"')));
  await post(`http://127.0.0.1:${ready.port}/rerank`, body);
  command.child.kill("SIGTERM");
  expect(await command.ended).toMatchObject({ code: 0, stderr: "" });
  expect(collector.spans.map(({ name }) => name).toSorted()).toEqual(["POST /rerank", "compute", "queue", "rerank lexical-demo"]);
  expect(collector.services).toEqual(new Set(["mine"]));
});

/** For NODE_OPTIONS: a process in which OpenTelemetry's packages are not installed. */
function withoutPackages(): string {
  const hook = `export const resolve = (name, context, next) => {
    if (name.startsWith("@opentelemetry/")) throw new Error(name + " is not here");
    return next(name, context);
  };`;
  const url = (source: string) => `data:text/javascript,${encodeURIComponent(source)}`;
  return `--import=${url(`import { register } from "node:module"; register(${JSON.stringify(url(hook))});`)}`;
}

test("without an endpoint OpenTelemetry's packages are not even looked for, with one they are", async () => {
  const args = ["serve", "--demo", "--host", "127.0.0.1", "--port", "0", "--n-threads", "1"];
  const plain = startCommand(args, { NODE_OPTIONS: withoutPackages() });
  await plain.line((line) => line.includes('"msg":"ready"'));
  plain.child.kill("SIGTERM");
  expect((await plain.ended).code).toBe(0);
  const traced = startCommand(args, { NODE_OPTIONS: withoutPackages(), OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" });
  expect(await traced.ended).toMatchObject({ code: 1, stderr: expect.stringContaining("@opentelemetry/") });
});
