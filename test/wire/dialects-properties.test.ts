/** Property tests: no JSON body causes a server error, and every dialect returns the library's scores in its order. */

import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scoringPaths } from "../../src/server/routes/paths.js";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { bodyFor, readError, type Scored, type ScoringRoute, scoringRoutes } from "../support/scoring-routes.js";

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ load: { contextSize: 512 } });
});
afterAll(() => service.service.stop());

const fields = [
  ...[
    "query",
    "documents",
    "texts",
    "text_1",
    "text_2",
    "queries",
    "items",
    "data_1",
    "data_2",
    "model",
    "top_k",
    "top_n",
    "return_documents",
  ],
  ...[
    "min_score",
    "rank_fields",
    "max_chunks_per_doc",
    "instruction",
    "instruct",
    "timeout_ms",
    "passages",
    "overlap_tokens",
    "truncation",
    "use_activation",
    "raw_scores",
    "return_text",
    "truncate",
    "truncation_direction",
    "max_tokens_per_doc",
    "priority",
    "text",
    "content",
  ],
];
/** Mostly wrong values, with a fitting one now and then. */
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: "binary", maxLength: 30 }),
  fc.array(fc.string({ unit: "grapheme", maxLength: 20 }), { maxLength: 4 }),
  fc.array(
    fc.record(
      {
        text: fc.string(),
        image: fc.jsonValue(),
        image_url: fc.jsonValue(),
        type: fc.constantFrom("image", "image_url", "text"),
      },
      { requiredKeys: [] },
    ),
    { maxLength: 3 },
  ),
  fc.record({ max_tokens: fc.nat(20), overlap_tokens: fc.nat(5), max: fc.nat(3) }, { requiredKeys: [] }),
  fc.constantFrom("true", "false", "Left", 0, 1, 2, null, true),
);
const bodies = fc.oneof(fc.dictionary(fc.constantFrom(...fields), value, { maxKeys: 8 }), fc.jsonValue());

/** A text with more than white space. */
const query = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }).filter((text) => text.trim() !== "");
const documents = fc.array(fc.string({ unit: "grapheme", maxLength: 40 }), { minLength: 1, maxLength: 6 });

async function expectClientsFault(route: ScoringRoute, response: Response, body: unknown): Promise<void> {
  expect(response.status).toBeGreaterThanOrEqual(400);
  expect(response.status).toBeLessThan(500);
  const texts: unknown = typeof body === "object" && body !== null ? Reflect.get(body, "texts") : undefined;
  const byBody = scoringPaths.byBody.some((path) => path === route.path);
  await readError(route.path === scoringPaths.tei || (byBody && texts !== null && texts !== undefined), response);
}

test.each(scoringRoutes)("$name scores or refuses any JSON, never with a server error", async (route) => {
  await fc.assert(
    fc.asyncProperty(bodies, async (body) => {
      const response = await post(service.url + route.path, JSON.stringify(body));
      if (response.status === 200) await response.json();
      else await expectClientsFault(route, response, body);
    }),
    { numRuns: 50 },
  );
});

function expectRanked(route: ScoringRoute, results: readonly Scored[], scores: Float32Array, most: number | null): void {
  const count = route.limit === undefined || !most ? scores.length : Math.min(most, scores.length);
  expect(results).toHaveLength(count);
  const present = new Set(results.map(({ index }) => index));
  expect(present.size).toBe(count);
  for (const { index, score } of results) expect(score).toBe(scores[index]);
  expect(results).toEqual(
    results.toSorted((a, b) => (route.sorted ? b.score - a.score || a.index - b.index : a.index - b.index)),
  );
  // No omitted document is better than a returned one.
  const worst = Math.min(...results.map(({ score }) => score));
  for (const [index, score] of scores.entries()) if (!present.has(index)) expect(score).toBeLessThanOrEqual(worst);
}

test("every dialect returns the library's scores, each document once, in its own order and number", async () => {
  await fc.assert(
    fc.asyncProperty(query, documents, fc.option(fc.nat({ max: 8 })), async (asked, texts, most) => {
      const { scores } = await service.reranker.score({ query: asked, documents: texts });
      for (const route of scoringRoutes) {
        const limited = route.limit === undefined ? {} : { [route.limit]: most };
        const response = await post(service.url + route.path, bodyFor(route, asked, texts, limited));
        expectRanked(route, await route.read(response), scores, most);
      }
    }),
    { numRuns: 40 },
  );
});
