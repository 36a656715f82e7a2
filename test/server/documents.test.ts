/** POST /v1/documents: documents that are computed before a query comes. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KeepAnswer } from "../../src/wire/keep.js";
import { NativeResponse } from "../../src/wire/native.js";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { json } from "../support/json.js";
import { readError } from "../support/scoring-routes.js";
import { stateFiles } from "../support/store-folder.js";
import { text } from "../support/texts.js";
import { until } from "../support/until.js";

const documents = Array.from({ length: 5 }, (_, index) => text(40, index));
let folder: string;
let service: TestService;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "jina-reranker-documents-"));
  service = await startTestService({ load: { documentCacheDir: folder, scoreCacheMb: 0 }, server: { apiKeys: ["k"] } });
});
afterAll(async () => {
  await service.service.stop();
  await rm(folder, { recursive: true });
});

const headers = { "content-type": "application/json", authorization: "Bearer k" };
const send = (body: unknown, path = "/v1/documents") => post(service.url + path, body, { headers });

describe("POST /v1/documents", () => {
  test("leaves documents on disk, and the next query computes its own tokens alone", async () => {
    const answer = await json(KeepAnswer, await send({ documents }));
    expect(answer).toMatchObject({ model: "test-model", documents: 5, stored_documents: 5, truncated: 0, reused_tokens: 0 });
    expect(answer.computed_tokens).toBe(answer.tokens);
    expect(await stateFiles(folder)).toHaveLength(5);
    const ranked = await send({ query: "weather", documents }, "/rerank");
    const { usage } = await json(NativeResponse, ranked.clone());
    const computed = Number(ranked.headers.get("server-timing")?.match(/computed;desc="(\d+)"/)?.[1]);
    expect(computed).toBe(usage.total_tokens - answer.tokens);
  });

  test("documents that are known cost nothing", async () => {
    await send({ documents });
    const again = await json(KeepAnswer, await send({ documents }));
    expect(again).toMatchObject({ computed_tokens: 0, reused_tokens: again.tokens, stored_documents: 5 });
  });

  test("takes documents in every form, with rank_fields, an instruction and a limit of tokens", async () => {
    const forms = [
      { text: documents[0] },
      { content: [{ type: "text", text: documents[1] }] },
      { title: "a", body: documents[2] },
    ];
    const body = {
      documents: forms,
      rank_fields: ["body", "text", "content"],
      instruction: "Prefer rain.",
      max_tokens_per_doc: 20,
    };
    expect(await json(KeepAnswer, await send({ ...body, documents: forms.toSpliced(1, 1) }))).toMatchObject({
      ...{ documents: 2, truncated: 2, stored_documents: 2 },
    });
    expect(await json(KeepAnswer, await send({ documents: forms }))).toMatchObject({ documents: 3, truncated: 0 });
  });

  test("with passages, a query with the same passages computes its own tokens alone", async () => {
    const long = { documents: [text(400, 77)], passages: { max_tokens: 100, overlap_tokens: 10 } };
    const { computed_tokens, stored_documents } = await json(KeepAnswer, await send(long));
    expect(stored_documents).toBe(1);
    const ranked = await send({ query: "weather", ...long }, "/rerank");
    const { usage } = await json(NativeResponse, ranked.clone());
    const computed = Number(ranked.headers.get("server-timing")?.match(/computed;desc="(\d+)"/)?.[1]);
    expect(computed).toBe(usage.total_tokens - computed_tokens);
  });

  test("is of low priority unless it asks for another", async () => {
    expect((await send({ documents, priority: 0 })).status).toBe(200);
    expect((await readError(false, await send({ documents, priority: 1000 }))).message).toMatch(/^priority: expected/);
  });

  test.each([
    ["a body without documents", {}, 400, "documents: expected an array"],
    ["an empty list", { documents: [] }, 422, "documents: expected at least one"],
    ["a number", { documents: [5] }, 400, "documents[0]: expected"],
    ["passages of no tokens", { documents, passages: { max_tokens: 0 } }, 400, "passages.max_tokens: expected"],
    ["too many", { documents: Array.from({ length: 1001 }, () => "a") }, 422, "documents: at most 1000"],
    [
      "an image without a tower",
      { documents: [{ image: "data:image/png;base64,AAAA" }] },
      422,
      "documents[0]: expected text, got an image",
    ],
  ])("refuses %s", async (_what, body, status, message) => {
    const response = await send(body);
    expect(response.status).toBe(status);
    expect((await readError(false, response)).message).toContain(message);
  });

  test("wants a key where there are keys", async () => {
    expect((await post(`${service.url}/v1/documents`, { documents })).status).toBe(401);
  });

  test("a client that leaves takes its documents out of the queue", async () => {
    const many = Array.from({ length: 400 }, (_, index) => text(200, 1000 + index));
    const client = new AbortController();
    const left = post(`${service.url}/v1/documents`, { documents: many }, { headers, signal: client.signal });
    const ended = expect(left).rejects.toThrow();
    await until(() => service.reranker.stats().pairsQueued > 0);
    client.abort();
    await ended;
    await service.logged(({ status, route }) => status === 499 && route === "/v1/documents");
    expect((await send({ documents })).status).toBe(200);
    expect(service.reranker.stats().pairsQueued).toBe(0);
  });
});
