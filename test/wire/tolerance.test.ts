/** What every dialect accepts beyond its schema. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { bodyFor, scoringRoutes } from "../support/scoring-routes.js";

const query = "What is machine learning?";
const documents = [
  "The weather today is sunny and warm.",
  "Machine learning is a subset of artificial intelligence that enables computers to learn from data.",
  "Deep learning uses neural networks with multiple layers.",
];
const order = [1, 2, 0];

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ load: { contextSize: 256 } });
});
afterAll(() => service.service.stop());

describe.each(scoringRoutes)("$name accepts", (route) => {
  const read = async (body: object) => {
    const response = await post(service.url + route.path, body);
    expect(response.status).toBe(200);
    return route.read(response);
  };
  const expected = (route.sorted ? order : [0, 1, 2]).map((index) => ({ index, score: expect.closeTo(0.5, 0) }));

  test("texts as strings, {text} or {content}, and a query as {text}", async () => {
    const [first, second, third] = documents;
    const plain = await read(bodyFor(route, query, documents));
    expect(plain).toMatchObject(expected);
    const shapes = [first, { text: second, image: null }, { text: null, content: [{ type: "text", text: third }] }];
    expect(await read(bodyFor(route, { text: query, image: null }, shapes))).toEqual(plain);
  });

  test("unknown fields, and null in every optional field", async () => {
    const plain = await read(bodyFor(route, query, documents));
    const nulls = Object.fromEntries(
      ["top_k", "return_documents", "max_tokens_per_doc", "priority", "raw_scores", "return_text", "truncate"]
        .concat("truncation_direction", "rank_fields", "max_chunks_per_doc", "user", "encoding_format")
        .map((name) => [name, null]),
    );
    expect(await read(bodyFor(route, query, documents, nulls))).toEqual(plain);
    const unknown = { user: { odd: [1] }, encoding_format: "x", overlap_tokens: 80, truncate_prompt_tokens: -1 };
    expect(await read(bodyFor(route, query, documents, unknown))).toEqual(plain);
  });

  const { limit } = route;
  if (limit === undefined) return;
  test.each([
    [1, 1],
    [2.0, 2],
    [0, 3],
    [null, 3],
    [99, 3],
  ])("a limit of %j, which gives %i of three results", async (value, count) => {
    expect(await read(bodyFor(route, query, documents, { [limit]: value }))).toHaveLength(count);
  });
});
