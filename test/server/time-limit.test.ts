/** Answers at a deadline: `timeout_ms` and `Prefer: wait` in the service's own dialect. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NativeResponse } from "../../src/wire/native.js";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { json } from "../support/json.js";
import { randomModel, wideShape } from "../support/random-models.js";
import { bodyFor, readError, scoringRoutes } from "../support/scoring-routes.js";
import { text } from "../support/texts.js";

const query = "weather";
const known = "rain and sun";
/** Many seconds of work on the wide random model, behind a document whose score is known. */
const documents = [known, ...Array.from({ length: 60 }, (_, index) => text(400, index))];

let service: TestService;
let score: number | undefined;
beforeAll(async () => {
  service = await startTestService({ load: await randomModel(wideShape) });
  ({ 0: score } = (await service.reranker.score({ query, documents: [known] })).scores);
});
afterAll(() => service.service.stop());

const ask = (body: object, prefer?: string, path = "/rerank") =>
  post(service.url + path, body, { headers: { "content-type": "application/json", ...(prefer && { prefer }) } });
const applied = (response: Response) => response.headers.get("preference-applied");

async function expectPartial(response: Response): Promise<void> {
  expect(response.status).toBe(200);
  const { results, unscored = [], total_documents, returned_documents } = await json(NativeResponse, response);
  expect(unscored.length).toBeGreaterThan(0);
  expect([total_documents, returned_documents]).toEqual([61, results.length]);
  expect([...results.map(({ index }) => index), ...unscored].toSorted((a, b) => a - b)).toEqual([...documents.keys()]);
  expect(results.find(({ index }) => index === 0)?.relevance_score).toBe(score);
  expect(unscored).toEqual(unscored.toSorted((a, b) => a - b));
}

describe("the service's own dialect", () => {
  test("timeout_ms: what is scored by then is ranked, and the rest is listed", async () => {
    const response = await ask({ query, documents, timeout_ms: 1500 });
    await expectPartial(response);
    expect(applied(response)).toBeNull();
    expect((await json(NativeResponse, await ask({ query, documents: [known] }))).results).toHaveLength(1);
  });

  test("Prefer: wait says the same in seconds, and the answer says that it was heard", async () => {
    const response = await ask({ query, documents }, "respond-async, wait=1");
    await expectPartial(response);
    expect(applied(response)).toBe("wait=1");
  });

  test("timeout_ms counts where both are there", async () => {
    const response = await ask({ query, documents, timeout_ms: "1500" }, "wait=50");
    await expectPartial(response);
    expect(applied(response)).toBeNull();
  });

  test("an answer in time lists nothing, and without a time limit has no list", async () => {
    const body = { query, documents: [known] };
    expect(await (await ask({ ...body, timeout_ms: 60_000 })).json()).toMatchObject({ results: [{ index: 0 }], unscored: [] });
    for (const plain of [
      await ask({ ...body, timeout_ms: null }),
      await ask(body, "wait=0"),
      await ask(body, "handling=strict"),
    ]) {
      expect(applied(plain)).toBeNull();
      expect(await plain.json()).not.toHaveProperty("unscored");
    }
  });

  test.each([
    [0, "0"],
    [-1, "-1"],
    [1.5, "1.5"],
    [true, "true"],
    ["soon", "a string"],
  ])("timeout_ms %j is refused", async (timeout_ms, got) => {
    const { message } = await readError(false, await ask({ query, documents, timeout_ms }));
    expect(message).toBe(`timeout_ms: expected a whole number of at least 1, got ${got}`);
  });
});

const others = scoringRoutes.filter(({ dialect }) => dialect !== "native");
test.each(others)(
  "$name, whose answers list no documents without a score, refuses timeout_ms and ignores the header",
  async (route) => {
    const refused = await ask(bodyFor(route, query, [known], { timeout_ms: 500 }), undefined, route.path);
    expect(refused.status).toBe(400);
    const { message } = await readError(route.dialect === "tei", refused);
    expect(message).toMatch(/^timeout_ms: expected nothing, got 500; /);
    const plain = await ask(bodyFor(route, query, [known], { timeout_ms: null }), "wait=1", route.path);
    expect([plain.status, applied(plain)]).toEqual([200, null]);
    expect(await route.read(plain)).toMatchObject([{ index: 0, score }]);
  },
);
