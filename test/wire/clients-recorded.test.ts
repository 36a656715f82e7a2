/**
 * Clients that are not run as programs here: the request that each one's published source builds, and every field that it reads
 * from the answer.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, startTestService, type TestService } from "../support/demo-service.js";

const query = "What is machine learning?";
const documents = [
  "The weather today is sunny and warm.",
  "Machine learning is a subset of artificial intelligence that enables computers to learn from data.",
  "Deep learning uses neural networks with multiple layers.",
];
const order = [1, 2, 0];
const n = documents.length;

type Kind = "number" | "string" | "object";
interface Recorded {
  /** The project and the part of it that builds the request. */
  readonly client: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: object;
  /** Path of the results in the answer (* = every element), and the names of a result's position and score. */
  readonly results: string;
  readonly score: string;
  /** Other fields that it reads, with the type that each must have. */
  readonly reads?: Readonly<Record<string, Kind>>;
  /** The number of results that it expects. */
  readonly count: number;
}

const ranked = { results: "results", score: "relevance_score" };

const clients: readonly Recorded[] = [
  {
    // deepset-ai/haystack-core-integrations: components/rankers/jina/ranker.py; top_k is None unless set.
    client: "Haystack JinaRanker",
    path: "/v1/rerank",
    headers: { authorization: "Bearer any", "accept-encoding": "identity" },
    body: { query, documents, model: "jina-reranker-v1-base-en", top_n: null },
    ...ranked,
    reads: { model: "string", usage: "object" },
    count: n,
  },
  {
    // run-llama/llama_index: llama-index-postprocessor-tei-rerank; asserts one entry a text.
    client: "LlamaIndex TextEmbeddingInference",
    path: "/rerank",
    body: { query, texts: documents },
    results: "",
    score: "score",
    count: n,
  },
  {
    // run-llama/llama_index: llama-index-postprocessor-jinaai-rerank
    client: "LlamaIndex JinaRerank",
    path: "/v1/rerank",
    headers: { authorization: "Bearer any", "accept-encoding": "identity" },
    body: { query, documents, model: "jina-reranker-v1-base-en", top_n: 2 },
    ...ranked,
    count: 2,
  },
  {
    // open-webui/open-webui: retrieval/models/external.py; sorts by index and takes one score a document.
    client: "Open WebUI external reranker",
    path: "/v1/rerank",
    headers: { authorization: "Bearer any", "x-openwebui-user-name": "any" },
    body: { model: "reranker", query, documents, top_n: n },
    ...ranked,
    count: n,
  },
  {
    // danny-avila/agents: src/tools/search/rerankers.ts
    client: "LibreChat JinaReranker",
    path: "/v1/rerank",
    body: { model: "jina-reranker-v2-base-multilingual", query, top_n: n, documents, return_documents: true },
    ...ranked,
    reads: { model: "string", usage: "object", "results.*.document.text": "string" },
    count: n,
  },
  {
    // danny-avila/agents: src/tools/search/rerankers.ts
    client: "LibreChat CohereReranker",
    path: "/v2/rerank",
    body: { model: "rerank-v3.5", query, top_n: n, documents },
    ...ranked,
    reads: { id: "string", meta: "object" },
    count: n,
  },
  {
    // langgenius/dify-official-plugins: models/jina/models/rerank/rerank.py; newer models get {text} objects.
    client: "Dify Jina",
    path: "/v1/rerank",
    body: {
      model: "jina-reranker-m0",
      query,
      documents: documents.map((text) => ({ text })),
      top_n: null,
      return_documents: false,
    },
    ...ranked,
    count: n,
  },
  {
    // langgenius/dify: model_providers/cohere/rerank/rerank.py through the Python client's first version
    client: "Dify Cohere",
    path: "/v1/rerank",
    body: { query, documents, model: "rerank-english-v2.0", top_n: 2, return_documents: true },
    ...ranked,
    reads: { "results.*.document.text": "string" },
    count: 2,
  },
  {
    // langgenius/dify: model_providers/huggingface_tei/tei_helper.py, after GET /info
    client: "Dify Text Embedding Inference",
    path: "/rerank",
    body: { query, texts: documents, return_text: true },
    results: "",
    score: "score",
    reads: { "*.text": "string" },
    count: n,
  },
  {
    // langgenius/dify-plugin-sdks: interfaces/model/openai_compatible/rerank.py, endpoint …/v1
    client: "Dify OpenAI-API-compatible",
    path: "/v1/rerank",
    body: { model: "any", query, documents, top_n: n, return_documents: true },
    ...ranked,
    reads: { "results.*.document.text": "string" },
    count: n,
  },
  {
    // infiniflow/ragflow: rag/llm/rerank_model.py, JinaRerank
    client: "RAGFlow Jina",
    path: "/v1/rerank",
    body: { model: "jina-reranker-v2-base-multilingual", query, documents, top_n: n },
    ...ranked,
    reads: { "usage.total_tokens": "number" },
    count: n,
  },
  {
    // infiniflow/ragflow: rag/llm/rerank_model.py, XInferenceRerank: booleans as text
    client: "RAGFlow Xinference",
    path: "/v1/rerank",
    body: { model: "any", query, return_documents: "true", return_len: "true", documents },
    ...ranked,
    count: n,
  },
  {
    // infiniflow/ragflow: rag/llm/rerank_model.py, LocalAIRerank and OpenAI_APIRerank: the path is joined to the host
    client: "RAGFlow LocalAI and OpenAI-API-compatible",
    path: "/rerank",
    body: { model: "any", query, documents, top_n: n },
    ...ranked,
    count: n,
  },
  {
    // infiniflow/ragflow: rag/llm/rerank_model.py, CoHereRerank (Cohere and VLLM) with base URL …/v1: the path is doubled
    client: "RAGFlow Cohere and vLLM",
    path: "/v1/v1/rerank",
    body: { model: "any", query, documents, top_n: n, return_documents: false },
    ...ranked,
    count: n,
  },
  {
    // infiniflow/ragflow: rag/llm/rerank_model.py, SILICONFLOWRerank
    client: "RAGFlow SILICONFLOW",
    path: "/v1/rerank",
    body: { model: "any", query, documents, top_n: n, return_documents: false, max_chunks_per_doc: 1024, overlap_tokens: 80 },
    ...ranked,
    reads: { "meta.tokens.input_tokens": "number", "meta.tokens.output_tokens": "number" },
    count: n,
  },
  {
    // infiniflow/ragflow: rag/llm/rerank_model.py, HuggingfaceRerank
    client: "RAGFlow HuggingFace",
    path: "/rerank",
    body: { query, texts: documents, raw_scores: false, truncate: true },
    results: "",
    score: "score",
    count: n,
  },
  {
    // milvus-io/milvus-model: reranker/tei.py
    client: "Milvus TEIRerankFunction",
    path: "/rerank",
    body: { query, return_text: true, texts: documents },
    results: "",
    score: "score",
    reads: { "*.text": "string" },
    count: n,
  },
];

/** All values at a path; * stands for every element. */
function valuesAt(value: unknown, path: string): unknown[] {
  if (path === "") return [value];
  const [first = "", ...rest] = path.split(".");
  if (first === "*") return Array.isArray(value) ? value.flatMap((item) => valuesAt(item, rest.join("."))) : [undefined];
  const inner: unknown = typeof value === "object" && value !== null ? Reflect.get(value, first) : undefined;
  return rest.length === 0 ? [inner] : valuesAt(inner, rest.join("."));
}

describe("recorded requests", () => {
  let service: TestService;
  let scores: Float32Array;
  beforeAll(async () => {
    service = await startTestService();
    ({ scores } = await service.reranker.score({ query, documents }));
  });
  afterAll(() => service.service.stop());

  test.each(clients)(
    "$client finds every field that it reads",
    async ({ path, headers, body, results, score, reads = {}, count }) => {
      const response = await post(service.url + path, body, { headers: { "content-type": "application/json", ...headers } });
      expect(response.status).toBe(200);
      const answer: unknown = await response.json();
      const items = results === "" ? "*" : `${results}.*`;
      expect(valuesAt(answer, `${items}.index`)).toEqual(order.slice(0, count));
      expect(valuesAt(answer, `${items}.${score}`)).toEqual(order.slice(0, count).map((index) => scores[index]));
      for (const [place, kind] of Object.entries(reads)) {
        const values = valuesAt(answer, place);
        expect(values.length).toBeGreaterThan(0);
        for (const value of values) expect(typeof value, place).toBe(kind);
      }
      // Returned texts must be those of the results.
      const texts = valuesAt(answer, results === "" ? "*.text" : `${results}.*.document.text`);
      if (texts.some((text) => text !== undefined)) {
        expect(texts).toEqual(order.slice(0, count).map((index) => documents[index]));
      }
    },
  );

  // langgenius/dify: model_providers/huggingface_tei/tei_helper.py; the first key of model_type must be "reranker".
  test("Dify's Text Embedding Inference plugin reads in /info that this is a reranker, and its limits", async () => {
    const response = await fetch(`${service.url}/info`, { headers: { "content-type": "application/json" } });
    expect(response.status).toBe(200);
    const info: unknown = await response.json();
    expect(info).toMatchObject({ model_id: "test-model", max_input_length: 8192, max_client_batch_size: 1000 });
    expect(Object.keys(valuesAt(info, "model_type")[0] ?? {})).toEqual(["reranker"]);
  });

  // vllm-project/vllm: examples/online_serving/openai_cross_encoder_score.py
  test.each([
    ["two strings", query, documents[1], [1]],
    ["one against many", query, documents, [0, 1, 2]],
    ["lists of the same length", [query, query, query], documents, [0, 1, 2]],
  ])("vLLM's score example, %s", async (_case, text_1, text_2, indices) => {
    const response = await post(`${service.url}/score`, { model: "BAAI/bge-reranker-v2-m3", text_1, text_2 });
    expect(await response.json()).toEqual({
      id: expect.stringMatching(/^score-/),
      object: "list",
      created: expect.any(Number),
      model: "test-model",
      data: indices.map((document, index) => ({ index, object: "score", score: scores[document] })),
      usage: { prompt_tokens: expect.any(Number), total_tokens: expect.any(Number), completion_tokens: 0 },
    });
  });
});
