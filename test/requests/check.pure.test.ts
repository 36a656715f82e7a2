/** What of a request is refused before any work on it. */

import { expect, test } from "vitest";
import { checkRequest, imagesOf } from "../../src/requests/check.js";
import type { Content, Limits } from "../../src/types.js";
import { failure } from "../support/failure.js";

const limits: Limits = { maxDocuments: undefined, maxQueuedPairs: 2000, maxImages: 2 };
const [bytes, path, data] = [
  { image: new Uint8Array(3) },
  { image: "page.png" },
  { image: { data: "data:image/png;base64,AA==" } },
];

const refusal = (request: object, its = limits) => failure(() => Reflect.apply(checkRequest, undefined, [request, its]));

test.each<[Content, Content[]]>([
  ["text", ["text", ""]],
  [bytes, ["text"]],
  ["text", [path, "text", data]],
  [data, [data]],
])("the query %j with the documents %j passes", (query, documents) => {
  expect(() => checkRequest({ query, documents }, limits)).not.toThrow();
});

test.each<[object, string, string]>([
  [{ query: 5, documents: ["a"] }, "invalid_request", 'query: expected a string or {"image"}, got 5'],
  [{ query: " \n", documents: ["a"] }, "empty_query", "query: expected text, got an empty string"],
  [{ query: "q", documents: "a" }, "invalid_request", "documents: expected an array of strings and images, got a string"],
  [{ query: "q", documents: ["a"], instruction: 5 }, "invalid_request", "instruction: expected a string, got 5"],
  [
    { query: "q", documents: ["a"], timeoutMs: 0.5 },
    "invalid_request",
    "timeoutMs: expected a whole number of at least 1, got 0.5",
  ],
  [{ query: "q", documents: [] }, "empty_documents", "documents: expected at least one, got none"],
  [{ query: "q", documents: ["a", null] }, "invalid_request", 'documents[1]: expected a string or {"image"}, got null'],
  [{ query: "q", documents: [{ text: "a" }] }, "invalid_request", 'documents[0]: expected a string or {"image"}, got an object'],
  [
    { query: { image: 3 }, documents: ["a"] },
    "invalid_request",
    'query.image: expected bytes, the path of a file or {"data"} with text, got 3',
  ],
  [
    { query: "q", documents: [{ image: { data: bytes.image } }] },
    "invalid_request",
    'documents[0].image: expected bytes, the path of a file or {"data"} with text, got an object',
  ],
  [
    { query: "q", documents: ["a", "b"], maxDocuments: 1 },
    "too_many_documents",
    "documents: at most 1 are allowed in one request, got 2",
  ],
  [
    { query: bytes, documents: ["a", path, data] },
    "too_many_images",
    "documents[2]: at most 2 images are allowed in one request, got 3",
  ],
  [
    { query: "q", documents: [path, path, path] },
    "too_many_images",
    "documents[2]: at most 2 images are allowed in one request, got 3",
  ],
])("%j is %s: %s", (request, code, message) => {
  expect(refusal(request)).toMatchObject({ code, message });
});

test.each<[Content, Content[], string]>([
  [data, ["a"], "query"],
  ["q", ["a", bytes], "documents[1]"],
])("without a vision tower every image is refused, by its field and with what to type: %#", (query, documents, field) => {
  const { code, message } = refusal({ query, documents }, { ...limits, maxImages: 0 });
  expect(code).toBe("images_not_supported");
  expect(message).toMatch(`${field}: expected text, got an image`);
  expect(message).toMatch(/IMAGES=true after `jina-reranker download --vision`, or MMPROJ_PATH/);
});

test("the images of a request have the names of their fields", () => {
  expect(imagesOf({ query: bytes, documents: ["a", path, "b", data] })).toEqual([
    { field: "query", ...bytes },
    { field: "documents[1]", ...path },
    { field: "documents[3]", ...data },
  ]);
  expect(imagesOf({ query: "q", documents: ["a"] })).toEqual([]);
});
