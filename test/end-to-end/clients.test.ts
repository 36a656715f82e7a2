/**
 * Published clients, with another base URL only, against a listening server: the server understands their requests and answers
 * with the fields that they read. Python's requests and curl are in python.test.ts.
 */

import { createRequire } from "node:module";
import { createCohere } from "@ai-sdk/cohere";
import { CohereRerank } from "@langchain/cohere";
import { rerank } from "ai";
import { CohereClient, CohereClientV2, CohereError } from "cohere-ai";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startTestService, type TestService } from "../support/demo-service.js";

const query = "What is machine learning?";
const documents = [
  "The weather today is sunny and warm.",
  "Machine learning is a subset of artificial intelligence that enables computers to learn from data.",
  "Deep learning uses neural networks with multiple layers.",
];
const order = [1, 2, 0];

let service: TestService;
let scores: Float32Array;
beforeAll(async () => {
  service = await startTestService();
  ({ scores } = await service.reranker.score({ query, documents }));
});
afterAll(() => service.service.stop());

describe("cohere-ai", () => {
  const options = () => ({ token: "any", environment: service.url });

  it("v2.rerank reads ids, results and billed units", async () => {
    const answer = await new CohereClientV2(options()).rerank({ model: "rerank-v3.5", query, documents, topN: 2 });
    expect(answer).toEqual({
      id: expect.stringMatching(/^[\da-f-]{36}$/),
      results: order.slice(0, 2).map((index) => ({ index, relevanceScore: scores[index] })),
      meta: { apiVersion: { version: "2" }, billedUnits: { searchUnits: 1 } },
    });
  });

  it("rerank of version 1 accepts documents as objects, and returns them when asked", async () => {
    const answer = await new CohereClient(options()).rerank({
      model: "rerank-english-v3.0",
      query,
      documents: documents.map((text) => ({ text })),
      rankFields: ["text"],
      maxChunksPerDoc: 10,
      returnDocuments: true,
    });
    expect(answer.results).toEqual(
      order.map((index) => ({ index, relevanceScore: scores[index], document: { text: documents[index] } })),
    );
    expect(answer.meta).toMatchObject({ apiVersion: { version: "1" }, billedUnits: { searchUnits: 1 } });
  });

  it("reports status and message of an error, and does not retry a client error", async () => {
    const before = service.service.context.requests.total;
    const failed = new CohereClientV2(options()).rerank({ model: "m", query: "", documents }).catch((error: unknown) => error);
    const error = await failed;
    if (!(error instanceof CohereError)) throw new Error(`expected a CohereError, got ${String(error)}`);
    expect(error.statusCode).toBe(422);
    expect(error.body).toMatchObject({ message: "query: expected text, got an empty string" });
    expect(service.service.context.requests.total).toBe(before + 1);
  });
});

describe("@langchain/cohere CohereRerank", () => {
  // Its own client is an older major version of cohere-ai.
  type Client = NonNullable<NonNullable<ConstructorParameters<typeof CohereRerank>[0]>["client"]>;
  type Own = { readonly CohereClient: new (options: { token: string; environment: string }) => Client };
  const own: Own = createRequire(createRequire(import.meta.url).resolve("@langchain/cohere"))("cohere-ai");
  const compressor = (topN: number) =>
    new CohereRerank({
      model: "rerank-v3.5",
      topN,
      client: new own.CohereClient({ token: "any", environment: service.url }),
    });

  it("rerank returns indices and scores", async () => {
    expect(await compressor(3).rerank(documents, query)).toEqual(
      order.map((index) => ({ index, relevanceScore: scores[index] })),
    );
  });

  it("compressDocuments keeps the best ones with their metadata", async () => {
    const pages = documents.map((pageContent, page) => ({ pageContent, metadata: { page } }));
    const kept = await compressor(2).compressDocuments(pages, query);
    expect(kept.map(({ metadata }) => metadata)).toEqual(
      order.slice(0, 2).map((page) => ({ page, relevanceScore: scores[page] })),
    );
  });
});

describe("Vercel AI SDK with @ai-sdk/cohere", () => {
  const model = () => createCohere({ apiKey: "any", baseURL: `${service.url}/v2` }).reranking("rerank-v3.5");

  it("rerank returns the documents in order", async () => {
    const { ranking, rerankedDocuments } = await rerank({ model: model(), query, documents, topN: 2 });
    expect(ranking).toEqual(
      order.slice(0, 2).map((originalIndex) => ({
        originalIndex,
        score: scores[originalIndex],
        document: documents[originalIndex],
      })),
    );
    expect(rerankedDocuments).toEqual([documents[1], documents[2]]);
  });

  it("rerank accepts objects as documents", async () => {
    vi.stubGlobal("AI_SDK_LOG_WARNINGS", false);
    const pages = documents.map((text, page) => ({ page, text }));
    const { rerankedDocuments } = await rerank({ model: model(), query, documents: pages });
    expect(rerankedDocuments[0]).toEqual(pages[1]);
  });
});
