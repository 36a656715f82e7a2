/** What each dialect reads of query and documents, and repeats of them: texts, images, and what is neither. */

import { describe, expect, test } from "vitest";
import { RerankError } from "../../src/errors.js";
import { byBody } from "../../src/wire/by-body.js";
import { cohereV2 } from "../../src/wire/cohere-v2.js";
import { inTheirWords, type Job } from "../../src/wire/dialect.js";
import { jina } from "../../src/wire/jina.js";
import { tei } from "../../src/wire/tei.js";
import { shapeValidator, validator } from "../../src/wire/validation.js";
import { vllmScore } from "../../src/wire/vllm-score.js";

const data = "data:image/png;base64,iVBORw0KGgo=";
const image = { image: { data } };
const urlPart = { type: "image_url", image_url: { url: data } };

interface Reading {
  readonly name: string;
  /** The names of query and documents. */
  readonly q: string;
  readonly d: string;
  read(body: object): Job<unknown>;
}

function reading(
  name: string,
  dialect: typeof byBody | typeof jina | typeof cohereV2 | typeof tei | typeof vllmScore,
  q: string,
  d: string,
): Reading {
  const { request, shapeOf } = dialect;
  const check = shapeOf ? shapeValidator(shapeOf, () => 10_000) : validator(request);
  return {
    ...{ name, q, d },
    read(body) {
      const checked = check(body);
      if ("error" in checked) throw checked.error;
      return (dialect.read as (body: unknown) => Job<unknown>)(checked.value);
    },
  };
}

const native = reading("native", byBody, "query", "documents");
const ofJina = reading("Jina", jina, "query", "documents");
const ofCohere = reading("Cohere v2", cohereV2, "query", "documents");
const ofTei = reading("TEI", tei, "query", "texts");
const ofVllm = reading("vLLM, texts", vllmScore, "text_1", "text_2");
const dialects = [
  ...[native, ofJina, ofCohere, ofTei, ofVllm],
  reading("vLLM, documents", vllmScore, "queries", "documents"),
  reading("vLLM, items", vllmScore, "queries", "items"),
  reading("vLLM, data", vllmScore, "data_1", "data_2"),
];

/** Every way to write the image. */
const images = [
  { image: data },
  { type: "image", image: data },
  { image: data, text: null },
  { image: data, text: "" },
  { image: data, title: "not read", page: 7 },
  urlPart,
  { type: "image_url", image_url: data },
  { type: "image_url", image_url: { url: data, detail: "high" } },
  { type: "input_image", image_url: data },
  { image_url: { url: data } },
  { image_url: data },
  { content: [urlPart] },
  { content: [{ type: "image", image: data }] },
  { type: "image", format: "base64", value: data },
];

describe.each(dialects)("$name", ({ q, d, read }) => {
  const body = (query: unknown, documents: unknown, more = {}) => ({ [q]: query, [d]: documents, ...more });

  test.each(images)("reads the image %j as document and as query", (written) => {
    expect(read(body("a", ["b", written])).requests).toMatchObject([{ query: "a", documents: ["b", image] }]);
    expect(read(body(written, ["b"])).requests).toMatchObject([{ query: image, documents: ["b"] }]);
    expect(read(body(written, [written])).requests).toMatchObject([{ query: image, documents: [image] }]);
  });

  test("reads an image beside an empty text as an image", () => {
    const written = { content: [urlPart, { type: "text", text: "" }] };
    expect(read(body("a", [written])).requests).toMatchObject([{ documents: [image] }]);
  });

  test("passes on base64, URLs and what is no image: the reranker looks at them", () => {
    for (const sent of ["AAAA", "https://example.org/a.png", "/etc/passwd"]) {
      const { requests } = read(body("a", [{ image: sent }]));
      expect(requests).toMatchObject([{ documents: [{ image: { data: sent } }] }]);
    }
  });

  test("reads one object with parts in place of the documents as a list of texts and images", () => {
    const content = [urlPart, { type: "text", text: "b" }, { type: "image", image: "AAAA" }];
    expect(read(body("a", { content })).requests).toMatchObject([{ documents: [image, "b", { image: { data: "AAAA" } }] }]);
  });

  test("reads Elasticsearch's text, and the text fields that rank_fields name of an object with an image", () => {
    expect(read(body("a", [{ type: "text", format: "text", value: "b" }])).requests).toMatchObject([{ documents: ["b"] }]);
    const product = { title: "b", image: { src: "/b.png" } };
    expect(read(body("a", [product], { rank_fields: ["title"] })).requests).toMatchObject([{ documents: ["title: b"] }]);
    expect(read(body("a", [{ image: data }], { rank_fields: ["title"] })).requests).toMatchObject([{ documents: [image] }]);
  });

  test.each([
    [{ text: "b", image: data }, ": expected text or one image, got both"],
    [{ content: "b", image: data }, ": expected text or one image, got both"],
    [{ text: "b", content: [urlPart] }, ": expected text or one image, got both"],
    [{ content: [{ type: "text", text: "b" }, urlPart] }, ": expected text or one image, got both"],
    [{ content: [urlPart, urlPart] }, ": expected text or one image, got 2 images"],
    [{ image: data, image_url: data }, ": expected text or one image, got 2 images"],
    [{ image: {} }, ".image: expected a data: URI, base64 or a URL, got an object"],
    [{ image: 7 }, ".image: expected a data: URI, base64 or a URL, got 7"],
    [{ image_url: [data] }, ": expected an image as a data: URI, base64 or a URL, got an empty one"],
    [{ image_url: { url: [data] } }, ".image_url: expected a data: URI, base64 or a URL, got an array"],
    [{ image: "" }, ": expected an image as a data: URI, base64 or a URL, got an empty one"],
    [{ type: "image_url" }, ": expected an image as {"],
    [{ type: "image", text: "b" }, ": expected an image as {"],
    [{ type: "image_embeds", image_embeds: "AAAA" }, ": expected an image as {"],
    [{ content: [{ type: "image_url", image_url: {} }] }, ".content[0]: expected an image as {"],
    [{ content: [{ type: "audio", audio: "AAAA" }] }, '.content[0]: expected {"type":"text","text"} or {"type":"image_url"'],
  ])("refuses %j by name", (written, message) => {
    const refusal = (field: string) =>
      expect.objectContaining({ code: "invalid_request", message: expect.stringContaining(field + message) });
    expect(() => read(body("a", ["b", written]))).toThrow(refusal(`${d}[1]`));
    // On vLLM's routes an object with parts is a list, also as query.
    if (!("content" in written && Array.isArray(written.content) && q !== "query")) {
      expect(() => read(body(written, ["b"]))).toThrow(refusal(q));
    }
  });
});

const timings = {
  imageMs: 0,
  encodedImages: 0,
  queueMs: 0,
  tokenizeMs: 0,
  computeMs: 0,
  totalMs: 0,
  computedTokens: 0,
  reusedTokens: 0,
};

/** The answer to a job with one query, whose documents rank in their order. */
function answerTo({ requests, answer }: Job<unknown>): unknown {
  const results = (requests[0]?.documents ?? []).map((document, index) => ({
    ...{ index, document, score: 0.5, logit: 0, droppedTokens: 0 },
  }));
  return answer([{ results, unscored: [], truncated: 0, usage: { promptTokens: 1, totalTokens: 1 }, timings }], "m");
}

describe("an answer repeats documents, where they are asked for", () => {
  const ids = { id: 7, text: "b", tags: ["x"], meta: { page: null } };
  const documents = ["a", ids, { title: "t", year: 2020 }, { image: data, page: 3 }, { content: [urlPart] }];

  test("as they came in the service's own dialect, an image as query as {image}", () => {
    expect(answerTo(native.read({ query: { image: "AAAA" }, documents }))).toMatchObject({
      query: { image: "AAAA" },
      results: documents.map((document) => ({ document })),
    });
    const without = answerTo(native.read({ query: { image: "AAAA" }, documents, return_documents: false }));
    expect(without).toMatchObject({ query: null });
    expect(JSON.stringify(without)).not.toMatch(/AAAA|iVBOR|page/);
    expect(answerTo(native.read({ query: "a", documents, return_documents: false }))).toMatchObject({ query: "a" });
  });

  test("as objects in Jina's and Cohere's: a text as {text}, an object as it came", () => {
    const results = [{ document: { text: "a" } }, ...documents.slice(1).map((document) => ({ document }))];
    expect(answerTo(ofJina.read({ query: "a", documents, return_documents: true }))).toMatchObject({ results });
    const fields = ofJina.read({ query: "a", documents: [ids], rank_fields: ["id"], return_documents: true });
    expect(answerTo(fields)).toMatchObject({ results: [{ document: ids }] });
  });

  test("as the text that was read, or {image}, in Text Embeddings Inference's", () => {
    expect(answerTo(ofTei.read({ query: "a", texts: documents, return_text: true }))).toEqual(
      [{ text: "a" }, { text: "b" }, { text: "title: t" }, { image: data }, { image: data }].map((echo, index) => ({
        ...{ index, score: 0.5, ...echo },
      })),
    );
  });

  test("as its parts, where one object with parts stands for the list", () => {
    const content = [urlPart, { type: "text", text: "b", id: 7 }];
    const results = content.map((document) => ({ document }));
    expect(answerTo(native.read({ query: "a", documents: { content } }))).toMatchObject({ results });
    expect(answerTo(ofJina.read({ query: "a", documents: { content }, return_documents: true }))).toMatchObject({ results });
  });

  test("and never elsewhere", () => {
    for (const quiet of [
      ofJina.read({ query: "a", documents }),
      ofCohere.read({ query: "a", documents, return_documents: true }),
      ofTei.read({ query: "a", texts: documents }),
    ]) {
      expect(JSON.stringify(answerTo(quiet))).not.toMatch(/iVBOR|tags|title/);
    }
  });

  test("but refuses one that is nested too deeply to be written", () => {
    const nested = (levels: number) => JSON.parse(`{"text":"a","deep":${"[".repeat(levels)}${"]".repeat(levels)}}`);
    const refusal = expect.objectContaining({
      code: "invalid_request",
      message: expect.stringMatching(/^documents\[1\]: expected at most 100 levels/),
    });
    for (const { read } of [native, ofJina]) {
      const body = (levels: number) => ({ query: "a", documents: ["a", nested(levels)], return_documents: true });
      expect(answerTo(read(body(99)))).toMatchObject({ results: [{}, { document: nested(99) }] });
      expect(() => read(body(101))).toThrow(refusal);
      expect(() => read(body(100_000))).toThrow(refusal);
      expect(() => read({ ...body(100_000), return_documents: false })).not.toThrow();
    }
  });
});

describe("vLLM's pairs", () => {
  const other = { image: "AAAA" };

  test("with the same query are one request, and an image is never taken for a text", () => {
    const { requests } = ofVllm.read({ text_1: ["AAAA", other, "AAAA", other], text_2: ["a", "b", "c", "d"] });
    expect(requests).toMatchObject([
      { query: "AAAA", documents: ["a", "c"] },
      { query: { image: { data: "AAAA" } }, documents: ["b", "d"] },
    ]);
  });

  test("are named in errors by their place in the client's lists", () => {
    const job = ofVllm.read({ text_1: ["x", "y", "x"], text_2: ["a", "b", other] });
    const wrong = new RerankError("image_invalid", "documents[1]: expected an image");
    expect(inTheirWords(wrong, job, job.places?.[0])).toMatchObject({
      code: "image_invalid",
      message: "text_2[2]: expected an image",
    });
    const query = new RerankError("image_invalid", "query: expected an image");
    expect(inTheirWords(query, job, job.places?.[1])).toMatchObject({ message: "text_1[1]: expected an image" });
    // The route rewrites what is about the whole request, without a place.
    expect(inTheirWords(new RerankError("queue_full", "documents: 3"), job)).toMatchObject({ message: "text_2: 3" });
  });
});
