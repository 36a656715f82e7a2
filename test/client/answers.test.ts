/** What the client sends, which answers it accepts, and which addresses. */

import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { RerankClient } from "../../src/client/index.js";
import { startTestService } from "../support/demo-service.js";
import { type Scripted, startScriptedServer } from "../support/scripted-server.js";
import { good, impatient, rejected, request } from "./impatient-client.js";

describe("the client", () => {
  test("sends its key as a bearer token and the service's field names, and asks for no documents back", async () => {
    await using server = await startScriptedServer([good]);
    const fields = { topK: 1, minScore: 0.5, instruction: "a line", timeoutMs: 900 };
    await new RerankClient({ baseUrl: `${server.url}/under/a/path/`, apiKey: "secret" }).rerank({ ...request, ...fields });
    const [sent] = server.requests;
    expect(sent?.path).toBe("/under/a/path/rerank");
    expect(sent?.headers).toMatchObject({ authorization: "Bearer secret", "content-type": "application/json" });
    expect(JSON.parse(sent?.body ?? "")).toEqual({
      ...request,
      ...{ top_k: 1, min_score: 0.5, instruction: "a line", timeout_ms: 900, return_documents: false },
    });
  });

  test.each<[string, Scripted]>([
    ["a page of something else", { status: 200, body: "<html></html>" }],
    ["another service's JSON", { status: 200, body: { data: [] } }],
    [
      "a result that belongs to no document",
      {
        status: 200,
        body: { results: [{ index: 9, relevance_score: 1 }], model: "m", usage: { prompt_tokens: 1, total_tokens: 1 } },
      },
    ],
    ["an error without the service's shape", { status: 404, body: "nothing here" }],
  ])("rejects with unexpected_answer after %s", async (_what, answer) => {
    await using server = await startScriptedServer([answer]);
    const { client } = impatient(server.url);
    expect(await rejected(client.rerank(request))).toMatchObject({ code: "unexpected_answer" });
    expect(server.requests).toHaveLength(1);
    expect(await rejected(client.health())).toMatchObject({ code: "unexpected_answer" });
  });

  test.each([301, 302, 303])("names the target of a redirect %i, not the wrong method there", async (status) => {
    await using service = await startTestService();
    const location = `${service.url}/rerank?token=secret`;
    await using server = await startScriptedServer([{ status, headers: { location } }]);
    const { client } = impatient(server.url);
    const error = await rejected(client.rerank(request));
    expect(error.code).toBe("unexpected_answer");
    expect(error.message).toContain(`redirected to ${service.url}/rerank`);
    expect(error.message).not.toContain("secret");
    expect(server.requests).toHaveLength(1);
  });

  test("names the target of a redirect to a web page, and follows one that keeps the method", async () => {
    await using page = await startScriptedServer([{ status: 200, body: "<html>sign in</html>" }]);
    await using server = await startScriptedServer([{ status: 302, headers: { location: `${page.url}/login` } }]);
    expect((await rejected(impatient(server.url).client.rerank(request))).message).toContain(`redirected to ${page.url}/login`);
    await using moved = await startScriptedServer([good]);
    await using old = await startScriptedServer([{ status: 307, headers: { location: `${moved.url}/rerank` } }]);
    expect((await impatient(old.url).client.rerank(request)).results).toHaveLength(1);
  });

  test.each([
    "http://user:hunter2@localhost:1",
    "http://hunter2@localhost:1",
    "http://user:hunter2@local host",
    "http://u:hunter2@localhost:99999",
  ])("refuses a base address with a password without repeating it, case %#", (baseUrl) => {
    let failure: unknown;
    try {
      new RerankClient({ baseUrl });
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(TypeError);
    expect(String(failure)).toMatch(/^TypeError: baseUrl: expected /);
    expect(inspect(failure)).not.toContain("hunter2");
  });

  test.each([
    ["http://localhost?key=x", 0],
    ["http://localhost#x", 0],
    ["localhost:8081", 0],
    ["ftp://localhost", 0],
    ["http://localhost", -1],
    ["http://localhost", 1.5],
  ])("refuses the base address %s with %d retries", (baseUrl, retries) => {
    expect(() => new RerankClient({ baseUrl, retries })).toThrow(TypeError);
  });
});
