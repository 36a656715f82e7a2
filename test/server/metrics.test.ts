import { readFileSync } from "node:fs";
import { mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { bytesOf, stateFiles } from "../support/store-folder.js";
import { text } from "../support/texts.js";
import { until } from "../support/until.js";

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ load: { contextSize: 64 } });
});
afterAll(() => service.service.stop());

/** The value of every sample, by its name with labels. */
async function scrape(from = service): Promise<ReadonlyMap<string, number>> {
  const answer = await fetch(`${from.url}/metrics`);
  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
  const lines = (await answer.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]));
}

const sample = async (name: string) => (await scrape()).get(name) ?? 0;

describe("/metrics", () => {
  test("has the documented names, each with help and a type, before anything was asked", async () => {
    const exposition = await (await fetch(`${service.url}/metrics`)).text();
    const types = new Map([...exposition.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
    expect(Object.fromEntries([...types].filter(([name]) => name?.match(/^(rerank|gen_ai)_/)))).toEqual({
      rerank_requests_total: "counter",
      rerank_request_duration_seconds: "histogram",
      rerank_queue_wait_seconds: "histogram",
      rerank_compute_seconds: "histogram",
      rerank_pairs_total: "counter",
      rerank_tokens_total: "counter",
      rerank_batch_tokens: "summary",
      rerank_queue_pairs: "gauge",
      rerank_queue_tokens: "gauge",
      rerank_truncated_total: "counter",
      rerank_cancelled_pairs_total: "counter",
      rerank_document_cache_bytes: "gauge",
      rerank_document_cache_entries: "gauge",
      rerank_document_cache_hits_total: "counter",
      rerank_document_disk_hits_total: "counter",
      rerank_document_disk_writes_total: "counter",
      rerank_document_disk_failures_total: "counter",
      rerank_document_disk_bytes: "gauge",
      rerank_score_cache_hits_total: "counter",
      gen_ai_server_request_duration_seconds: "histogram",
      gen_ai_client_token_usage: "histogram",
      rerank_images_total: "counter",
      rerank_image_read_seconds: "histogram",
      rerank_images_encoded_total: "counter",
      rerank_image_encode_seconds_total: "counter",
      rerank_image_cache_hits_total: "counter",
      rerank_image_cache_bytes: "gauge",
      rerank_image_cache_entries: "gauge",
      rerank_devices: "gauge",
      rerank_model_info: "gauge",
    });
    for (const name of ["process_resident_memory_bytes", "process_cpu_seconds_total", "nodejs_eventloop_lag_seconds"]) {
      expect(types.has(name)).toBe(true);
    }
    for (const name of types.keys()) expect(exposition).toContain(`# HELP ${name} `);
  });

  test("counts what a request did, and agrees with the engine's own figures", async () => {
    const before = await scrape();
    // The long document is cut to fit. It ranks last and is not among the results.
    const body = { documents: ["the weather is sunny", "rain", text(300, 1)], top_k: 1 };
    for (const query of ["weather", "sun", "sun"]) {
      expect((await post(`${service.url}/rerank`, { query, ...body })).status).toBe(200);
    }
    expect((await post(`${service.url}/rerank`, { query: "", documents: ["a"] })).status).toBe(422);
    expect((await post(`${service.url}/no/such/route/${"x".repeat(50)}`, {})).status).toBe(404);
    await service.logged(({ status }) => status === 404);
    const after = await scrape();
    const gained = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    const { tokensComputed, tokensPadding, tokensReused, batches, pairsScored, pairsWarm, pairsRepeated, cacheBytes } =
      service.reranker.stats();
    expect(gained('rerank_requests_total{route="/rerank",status="200"}')).toBe(3);
    expect(gained('rerank_requests_total{route="/rerank",status="422"}')).toBe(1);
    expect(gained('rerank_requests_total{route="unknown",status="404"}')).toBe(1);
    const operation = 'gen_ai_operation_name="rerank",gen_ai_provider_name="jina-reranker",gen_ai_request_model="test-model"';
    const answered = 'gen_ai_response_model="test-model"';
    expect(gained(`gen_ai_server_request_duration_seconds_count{${operation},${answered}}`)).toBe(3);
    expect(gained(`gen_ai_client_token_usage_sum{${operation},${answered},gen_ai_token_type="input"}`)).toBe(
      gained('rerank_tokens_total{kind="computed"}') + gained('rerank_tokens_total{kind="reused"}'),
    );
    expect(gained('rerank_request_duration_seconds_count{route="/rerank"}')).toBe(4);
    expect(gained("rerank_queue_wait_seconds_count")).toBe(3);
    expect(gained("rerank_compute_seconds_count")).toBe(3);
    expect(gained("rerank_truncated_total")).toBe(3);
    expect(gained("rerank_pairs_total")).toBe(9);
    expect(after.get("rerank_pairs_total")).toBe(pairsScored);
    expect(after.get('rerank_tokens_total{kind="computed"}')).toBe(tokensComputed);
    expect(after.get('rerank_tokens_total{kind="reused"}')).toBe(tokensReused);
    expect(after.get("rerank_batch_tokens_sum")).toBe(tokensComputed + tokensPadding);
    expect(after.get("rerank_batch_tokens_count")).toBe(batches);
    expect(after.get("rerank_document_cache_hits_total")).toBe(pairsWarm);
    expect(after.get("rerank_document_cache_bytes")).toBe(cacheBytes);
    expect(after.get("rerank_score_cache_hits_total")).toBe(pairsRepeated);
    expect([pairsWarm, pairsRepeated].every((count) => count > 0)).toBe(true);
    expect(await sample("rerank_queue_pairs")).toBe(0);
  });

  test("counts a request that failed by its error, without tokens", async () => {
    const before = await scrape();
    const body = { query: "a", documents: [text(300, 1)], truncate: false };
    expect((await post(`${service.url}/rerank`, body)).status).toBe(422);
    const gained = [...(await scrape())].filter(([name, value]) => name.startsWith("gen_ai_") && value !== before.get(name));
    expect(gained).toContainEqual([
      'gen_ai_server_request_duration_seconds_count{gen_ai_operation_name="rerank",gen_ai_provider_name="jina-reranker",' +
        'gen_ai_request_model="test-model",error_type="document_too_long"}',
      1,
    ]);
    expect(gained.filter(([name]) => name.includes("token"))).toEqual([]);
  });

  test("tells what was written to the folder of documents, what a restart read there, and what it could not read", async () => {
    const folder = await mkdtemp(join(tmpdir(), "jina-reranker-metrics-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const load = { documentCacheDir: folder, scoreCacheMb: 0 };
    const body = { query: "a", documents: [text(1500, 1), text(1500, 2)] };
    const disk = async (from: TestService) => {
      const samples = await scrape(from);
      const names = ["hits_total", "writes_total", "failures_total", "bytes"];
      return names.map((name) => samples.get(`rerank_document_disk_${name}`));
    };
    const first = await startTestService({ load });
    await post(`${first.url}/rerank`, body);
    await until(async () => (await disk(first))[1] === 2);
    expect(await disk(first)).toMatchObject([0, 2, 0, expect.toSatisfy((bytes) => bytes > 0)]);
    await first.service.stop();
    const files = await stateFiles(folder);
    await truncate(files[0] ?? "", 100);
    await using second = await startTestService({ load });
    const held = await bytesOf(files);
    await until(async () => (await disk(second))[3] === held);
    await post(`${second.url}/rerank`, body);
    await until(async () => (await disk(second))[1] === 1);
    expect((await disk(second)).slice(0, 3)).toEqual([1, 1, 1]);
  });

  test("names the model and how it runs, and no query or document", async () => {
    const [info] = [...(await scrape()).keys()].filter((name) => name.startsWith("rerank_model_info"));
    expect(info).toMatch(/model="test-model",architecture="qwen2vl",.*device="CPU",reproducible="exact",context_size="64"/);
    expect([...(await scrape()).keys()].join()).not.toMatch(/sunny|weather/);
  });

  test("of two services in one process do not mix", async () => {
    await using other = await startTestService();
    await post(`${other.url}/rerank`, { query: "a", documents: ["b"] });
    expect((await scrape(other)).get("rerank_pairs_total")).toBe(1);
    expect(await sample("rerank_pairs_total")).toBe(service.reranker.stats().pairsScored);
  });
});

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

test("every metric that the Grafana dashboard asks for exists", async () => {
  const path = join(import.meta.dirname, "..", "..", "deploy", "grafana-dashboard.json");
  const dashboard: { panels: readonly Panel[] } = JSON.parse(readFileSync(path, "utf8"));
  const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  expect(expressions.length).toBeGreaterThan(10);
  await post(`${service.url}/rerank`, { query: "a", documents: ["b"] });
  const known = new Set([...(await scrape()).keys()].map((name) => name.replace(/\{.*/, "")));
  const labels = new Set(
    [...(await scrape()).keys()].flatMap((name) => [...name.matchAll(/(\w+)="/g)].map(([, label]) => label)),
  );
  for (const expression of expressions) {
    const bare = expression.replaceAll(/"[^"]*"/g, "");
    const asked = [...bare.matchAll(/\b(?:rerank|gen_ai|process|nodejs)_\w+/g)].map(([name]) => name);
    expect([expression, asked.length > 0]).toEqual([expression, true]);
    expect([expression, asked.filter((name) => !known.has(name))]).toEqual([expression, []]);
    const selectors = [...bare.matchAll(/\{([^}]*)\}/g)].flatMap(([, inner]) => [...(inner ?? "").matchAll(/(\w+)\s*=~?/g)]);
    const grouped = [...bare.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, inner]) => (inner ?? "").split(/,\s*/));
    const used = [...selectors.map(([, label]) => label ?? ""), ...grouped];
    // Prometheus adds these two when it scrapes.
    expect([expression, used.filter((label) => !labels.has(label) && !["job", "instance"].includes(label))]).toEqual([
      expression,
      [],
    ]);
  }
});
