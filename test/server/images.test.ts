/** Images over HTTP, with a random model and vision tower: every dialect, every refusal, and what happens while images are read. */

import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buildConnector } from "undici";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { RerankClient } from "../../src/client/index.js";
import type { ErrorCode } from "../../src/errors.js";
import type { Network } from "../../src/images/fetch-image.js";
import { plainPng } from "../images/fixtures.js";
import { post, type TestService } from "../support/demo-service.js";
import { imageFaults } from "../support/error-codes.js";
import { structuredPng } from "../support/image-model.js";
import { bodyFor, readError, scoringRoutes } from "../support/scoring-routes.js";
import { until } from "../support/until.js";
import { dataUri, startVisionService } from "../support/vision-service.js";

/** Every name is a public host, and every connection leads to a server of this test. */
const { network } = vi.hoisted(() => ({ network: { current: undefined as Network | undefined } }));
vi.mock("../../src/images/fetch-image.js", async (original) => {
  const actual = await original<typeof import("../../src/images/fetch-image.js")>();
  const fetchImage: typeof actual.fetchImage = (url, limits, signal) => actual.fetchImage(url, limits, signal, network.current);
  return { ...actual, fetchImage };
});

const files = [structuredPng(112, 84, 1), structuredPng(84, 140, 2), structuredPng(200, 90, 3)] as const;
const [first, second, third] = [dataUri(files[0]), dataUri(files[1]), dataUri(files[2])];
const query = "a chart of sales";
const documents = [{ image: first }, "sales fell", { image: second }, { text: "the weather is sunny" }, { image: third }];
const asContents = [
  { image: { data: first } },
  "sales fell",
  { image: { data: second } },
  "the weather is sunny",
  { image: { data: third } },
];

interface Ranking {
  readonly results: readonly { readonly index: number; readonly relevance_score: number; readonly document?: unknown }[];
}

let service: TestService;
let host: Server;
/** What the strangers' host does with a request. */
let answer: (response: ServerResponse) => void;
beforeAll(async () => {
  host = createServer((_request, response) => answer(response));
  await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", resolve));
  const toHost = buildConnector({});
  network.current = {
    resolve: async (name) => {
      if (name.endsWith(".invalid")) throw Object.assign(new Error("no such host"), { code: "ENOTFOUND" });
      return [name === "inside.example" ? "10.0.0.1" : "93.184.216.34"];
    },
    dial: (options, callback) => {
      const { port } = host.address() as AddressInfo;
      toHost({ ...options, protocol: "http:", host: "127.0.0.1", hostname: "127.0.0.1", port: String(port) }, callback);
    },
  };
  const limits = { imageMaxMb: 1, imageMaxPixels: 100_000, maxImages: 5 };
  service = await startVisionService({ load: { ...limits, imageUrls: ["pages.example", "gone.invalid", "inside.example"] } });
});
afterAll(async () => {
  await service.service.stop();
  host.close();
});

const ask = async (body: object, its = service): Promise<Ranking> => {
  const response = await post(`${its.url}/rerank`, body);
  expect(response.status, await response.clone().text()).toBe(200);
  const ranking: Ranking = JSON.parse(await response.text());
  return ranking;
};

describe("three images and two texts", () => {
  test("are ranked by a text with the library's scores, and come back as they were sent", async () => {
    const library = await service.reranker.rerank({ query, documents: asContents });
    expect(new Set(library.results.map(({ score }) => score)).size).toBe(5);
    const { results } = await ask({ query, documents });
    expect(results).toEqual(
      library.results.map(({ index, score }) => ({ index, relevance_score: score, document: documents[index] })),
    );
  });

  test("are ranked by an image, which comes back too unless documents are not asked for", async () => {
    const library = await service.reranker.rerank({ query: { image: { data: third } }, documents: asContents.slice(0, 4) });
    const body = { query: { image: third }, documents: documents.slice(0, 4) };
    const whole = await ask(body);
    expect(whole).toMatchObject({ query: { image: third }, total_documents: 4 });
    expect(whole.results.map(({ relevance_score }) => relevance_score)).toEqual(library.results.map(({ score }) => score));
    const small = JSON.stringify(await ask({ ...body, return_documents: false }));
    expect(small).not.toContain("base64");
  });

  test.each(scoringRoutes)("have the same scores on $name, in every form", async (route) => {
    const { scores } = await service.reranker.score({ query: { image: { data: third } }, documents: asContents.slice(0, 4) });
    const written = [
      { type: "image_url", image_url: { url: first } },
      { text: "sales fell" },
      { content: [{ type: "image_url", image_url: { url: second } }] },
      "the weather is sunny",
    ];
    const asked = { type: "image", format: "base64", value: third };
    const response = await post(service.url + route.path, bodyFor(route, asked, written));
    expect(response.status).toBe(200);
    const results = await route.read(response);
    expect(results.toSorted((a, b) => a.index - b.index).map(({ score }) => score)).toEqual([...scores]);
  });

  test("are ranked by the client, which sends bytes as base64 and gives back the caller's own documents", async () => {
    const library = await service.reranker.rerank({ query, documents: asContents });
    const bytes = { image: files[1] };
    const given = [...asContents.slice(0, 2), bytes, ...asContents.slice(3)];
    const { results } = await new RerankClient({ baseUrl: service.url }).rerank({ query, documents: given });
    expect(results.map(({ index, score }) => ({ index, score }))).toEqual(
      library.results.map(({ index, score }) => ({ index, score })),
    );
    for (const { index, document } of results) expect(document).toBe(given[index]);
  });

  test("are fetched from an allowed host", async () => {
    answer = (response) => response.end(files[0]);
    const url = "https://pages.example/a.png?signature=zyzzyva";
    const [fromUrl, asData] = await Promise.all(
      [url, first].map((image) => ask({ query, documents: [{ image }], return_documents: false })),
    );
    expect(fromUrl).toEqual(asData);
    expect(JSON.stringify(service.log)).not.toMatch(/pages\.example|zyzzyva/);
  });
});

describe("a wrong image is refused by the name of its field, and nothing is computed:", () => {
  const seen = new Set<ErrorCode>();
  const plain = (width: number, height: number) => plainPng({ width, height, colour: 0 }, [0]).toString("base64");
  const cut = files[0].subarray(0, 200);
  const cases: readonly [what: string, image: string, code: ErrorCode, message: string][] = [
    ["text", "hello world", "image_invalid", "expected an image as a data: URI or in base64"],
    ["an empty data: URI", "data:,", "image_invalid", "expected a data: URI in base64"],
    ["base64 of something else", "AAAA", "image_invalid", "expected a JPEG, PNG, WebP or GIF"],
    ["a cut file", cut.toString("base64"), "image_invalid", "expected an image that can be decoded"],
    ["a strip", plain(201, 1), "image_invalid", "expected sides that differ at most 200 times"],
    ["too many pixels", plain(500, 201), "image_too_large", "expected at most 100000 pixels"],
    ["too many bytes", "A".repeat(2 ** 20 * 1.5), "image_too_large", "expected at most 1 MB"],
    ["a URL of another host", "https://elsewhere.example/a.png", "image_url_not_allowed", "IMAGE_URLS"],
    ["a URL of a private address", "http://inside.example/", "image_url_not_allowed", "public addresses"],
    ["a URL of another protocol", "file:///etc/passwd", "image_url_not_allowed", "expected an http or https URL"],
    ["a URL of no host", "http://gone.invalid/", "image_unreachable", "ENOTFOUND"],
  ];

  test.each(cases)("%s", async (_what, image, code, message) => {
    const { jobsSubmitted } = service.reranker.stats();
    for (const route of scoringRoutes) {
      const [q, d] = [route.query, route.documents];
      for (const [body, field] of [
        [bodyFor(route, query, ["a", "b", { image }]), `${d}[2]`],
        [bodyFor(route, { image }, ["a"]), q],
      ] as const) {
        const response = await post(service.url + route.path, body);
        const error = await readError(route.dialect === "tei", response);
        expect([route.name, response.status, error]).toEqual([
          route.name,
          422,
          expect.objectContaining({ message: expect.stringMatching(`^${field.replace(/[[\]]/g, "\\$&")}: `) }),
        ]);
        expect(error.message).toContain(message);
        if (error.code !== undefined) expect(error.code).toBe(code);
      }
    }
    seen.add(code);
    expect(service.reranker.stats().jobsSubmitted).toBe(jobsSubmitted);
  });

  test("the sixth", async () => {
    for (const body of [
      { query, documents: Array.from({ length: 6 }, () => ({ image: first })) },
      { query: { image: second }, documents: Array.from({ length: 5 }, () => ({ image: first })) },
    ]) {
      const response = await post(`${service.url}/rerank`, body);
      const error = {
        code: "too_many_images",
        message: expect.stringContaining("at most 5 images are allowed in one request, got 6"),
      };
      expect([response.status, await response.json()]).toMatchObject([422, { error }]);
    }
    // Each query is a request of its own to the reranker.
    const pairs = { text_1: ["a", "b", "c"].map((text) => ({ text })), text_2: Array(3).fill({ image: first }) };
    expect((await post(`${service.url}/score`, pairs)).status).toBe(200);
    const many = { text_1: [first, second, third].map((image) => ({ image })), text_2: Array(3).fill({ image: first }) };
    const refused = await post(`${service.url}/score`, many);
    expect(await refused.json()).toMatchObject({
      error: { code: "too_many_images", message: expect.stringMatching(/^text_2: /) },
    });
    seen.add("too_many_images");
  });

  test("in a list of pairs by its place there", async () => {
    const body = { queries: ["a", "b", { image: "AAAA" }], documents: [{ image: first }, "c", "d"] };
    const refused = await post(`${service.url}/score`, body);
    expect(await refused.json()).toMatchObject({
      error: { code: "image_invalid", message: expect.stringMatching(/^queries\[2\]: /) },
    });
  });

  test("all codes of the error table that are about images were seen", () => {
    expect([...seen].toSorted()).toEqual(imageFaults.toSorted());
  });
});

describe("while images are read", () => {
  /** The host's answers that hang. */
  let hanging: ServerResponse[];
  const url = "http://pages.example/slow.png";
  const slow = { query, documents: [{ image: url }, "a", "b"] };

  function hang(): void {
    hanging = [];
    answer = (response) => hanging.push(response);
  }

  test("a request counts as waiting, and others get the room that is left", async () => {
    hang();
    await using small = await startVisionService({ load: { imageUrls: ["pages.example"], maxQueuedPairs: 4 } });
    const reading = post(`${small.url}/rerank`, slow);
    await until(() => hanging.length === 1);
    expect(small.reranker.stats()).toMatchObject({ jobsSubmitted: 0, pairsQueued: 0 });
    const refused = await post(`${small.url}/rerank`, { query, documents: ["a", "b"] });
    expect([refused.status, await refused.json()]).toMatchObject([
      429,
      { message: expect.stringContaining("3 of 4 pairs are waiting") },
    ]);
    expect((await post(`${small.url}/rerank`, { query, documents: ["a"] })).status).toBe(200);
    hanging[0]?.end(files[0]);
    expect((await reading).status).toBe(200);
    expect((await post(`${small.url}/rerank`, { query, documents: ["a", "b", "c", "d"] })).status).toBe(200);
  });

  test("a client that leaves ends the reading, and its request is counted as 499", async () => {
    hang();
    const controller = new AbortController();
    const reading = post(`${service.url}/rerank`, slow, { signal: controller.signal });
    await until(() => hanging.length === 1);
    const closed = new Promise((resolve) => hanging[0]?.once("close", resolve));
    controller.abort();
    await expect(reading).rejects.toThrow();
    await closed;
    await until(() => service.service.context.admission.requests === 0);
    expect(await service.logged(({ status }) => status === 499)).toMatchObject({ route: "/rerank", documents: 3, images: 1 });
  });

  test("the time limit holds for the reading too", async () => {
    hang();
    await using impatient = await startVisionService({ load: { imageUrls: ["pages.example"] }, requestTimeoutMs: 1500 });
    const response = await post(`${impatient.url}/rerank`, slow);
    expect([response.status, await response.json()]).toMatchObject([504, { error: { code: "timeout" } }]);
    // On a busy machine the time may be up before the host was asked.
    await until(() => hanging.every((response) => response.destroyed));
  });

  test("the pixels of all requests have the room of bodies, and one that is alone has it whatever it needs", async () => {
    hang();
    // An image of unknown size may have 64 tokens, 294 KiB.
    await using narrow = await startVisionService({
      load: { imageUrls: ["pages.example"] },
      server: { bodiesLimitBytes: 2 ** 17 },
    });
    const { bodies } = narrow.service.context;
    const reading = post(`${narrow.url}/rerank`, slow);
    await until(() => hanging.length === 1);
    expect(bodies.bytes).toBeGreaterThan(2 * 64 * 28 * 28 * 3);
    const refused = await post(`${narrow.url}/rerank`, { query: "a", documents: ["b"] });
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "2"]);
    hanging[0]?.end(files[0]);
    expect((await reading).status).toBe(200);
    await until(() => bodies.bytes === 0);
    expect((await post(`${narrow.url}/rerank`, { query: "a", documents: ["b"] })).status).toBe(200);
  });
});

test("log, metrics, Server-Timing and /info tell of images, and never what they are", async () => {
  await using fresh = await startVisionService({ load: { scoreCacheMb: 0, documentCacheMb: 0 } });
  const metrics = async () => (await fetch(`${fresh.url}/metrics`)).text();
  expect(await metrics()).toContain("rerank_images_encoded_total 0");
  const body = { query: { image: first }, documents: ["a", { image: second }] };
  const response = await post(`${fresh.url}/rerank`, body);
  expect(response.headers.get("server-timing")).toMatch(/^images;dur=\d[\d.]*, queue;dur=/);
  await ask({ query: "a", documents: [{ image: second }] }, fresh);
  const line = await fresh.logged(({ images }) => images === 2);
  expect(line).toMatchObject({ documents: 2, images: 2, images_encoded: 2, image_ms: expect.any(Number) });
  expect(JSON.stringify(fresh.log)).not.toContain(first.slice(30, 60));
  const text = await metrics();
  const sample = (name: string) =>
    Number(
      text
        .split("\n")
        .find((one) => one.startsWith(`${name} `))
        ?.split(" ")[1],
    );
  expect([sample('rerank_images_total{of="query"}'), sample('rerank_images_total{of="document"}')]).toEqual([1, 2]);
  expect(sample("rerank_image_read_seconds_count")).toBe(2);
  expect(sample("rerank_images_encoded_total")).toBe(2);
  expect(sample("rerank_image_cache_hits_total")).toBe(1);
  expect(sample("rerank_image_cache_entries")).toBe(2);
  expect(sample("rerank_image_encode_seconds_total")).toBeGreaterThan(0);
  expect(await (await fetch(`${fresh.url}/info`)).json()).toMatchObject({
    images: { max_client_images: 20, max_image_tokens: 64 },
  });
  expect(await (await fetch(`${service.url}/info`)).json()).toMatchObject({ images: { max_client_images: 5 } });
});
