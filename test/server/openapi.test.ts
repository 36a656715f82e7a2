/** The OpenAPI document is valid and whole, its examples work, and its pages need neither model nor network. */

import { Validator } from "@seriousme/openapi-schema-validator";
import type { OpenAPIV3_1 } from "openapi-types";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ErrorDescription, errorTable } from "../../src/errors.js";
import { ServerContext } from "../../src/server/context.js";
import { createServer } from "../../src/server/create-server.js";
import { scoringPaths as scoringPathsOf } from "../../src/server/routes/paths.js";
import { post, type TestService } from "../support/demo-service.js";
import { scoringRoutes } from "../support/scoring-routes.js";
import { startVisionService } from "../support/vision-service.js";

let service: TestService;
let document: OpenAPIV3_1.Document;
beforeAll(async () => {
  service = await startVisionService();
  document = JSON.parse(await (await fetch(`${service.url}/docs/json`)).text());
});
afterAll(() => service.service.stop());

const scoringPaths = [...new Set(scoringRoutes.map(({ path }) => path))];

function body(path: string): OpenAPIV3_1.MediaTypeObject {
  const requestBody = document.paths?.[path]?.post?.requestBody;
  const media = requestBody && "content" in requestBody ? requestBody.content["application/json"] : undefined;
  if (!media) throw new Error(`${path} has no documented body`);
  return media;
}

function examples(path: string): unknown[] {
  const { example, examples = {} } = body(path);
  const named = Object.values(examples).map((one) => ("value" in one ? one.value : undefined));
  return example === undefined ? named : [example, ...named];
}

describe("the document", () => {
  test("is valid OpenAPI 3.1", async () => {
    const result = await new Validator().validate({ ...document });
    expect(result).toMatchObject({ valid: true });
    expect(document.openapi).toBe("3.1.0");
  });

  test("has every route that scores, tells of the model or is probed, each with a summary", () => {
    const paths = Object.keys(document.paths ?? {});
    expect(paths).toEqual(expect.arrayContaining([...scoringPaths, "/health", "/ready", "/ping", "/info", "/v1/models"]));
    for (const path of paths) {
      const { get, post } = document.paths?.[path] ?? {};
      const operation = get ?? post;
      expect(operation?.summary, path).toMatch(/\w/);
      for (const response of Object.values(operation?.responses ?? {})) {
        expect("description" in response && response.description, path).not.toBe("Default Response");
      }
    }
  });

  test.each(scoringPaths)("tells every error that POST %s may answer with, by the error table", (path) => {
    const responses = document.paths?.[path]?.post?.responses ?? {};
    const told = Object.values(responses)
      .map((response) => ("description" in response ? response.description : ""))
      .join(" ");
    const elsewhere = ["not_found", "method_not_allowed"];
    for (const [code, { status, only }] of Object.entries<ErrorDescription>(errorTable)) {
      const meets = only === undefined && !elsewhere.includes(code);
      expect(told.includes(`\`${code}\``), code).toBe(meets);
      if (meets) expect(Object.keys(responses)).toContain(String(status));
    }
  });

  test.each(scoringPaths)("its examples of POST %s are answered, each in its own dialect", async (path) => {
    const all = examples(path);
    const two = scoringPathsOf.jina.some((one) => one === path) ? 2 : 1;
    expect(all).toHaveLength({ "/rerank": 5, "/invocations": 5, "/score": 4, "/v1/score": 4 }[path] ?? two);
    const kinds = new Set<string>();
    for (const example of all) {
      const response = await post(service.url + path, example);
      expect(response.status).toBe(200);
      const answer: unknown = await response.json();
      kinds.add(Array.isArray(answer) ? "array" : Object.keys(Object(answer)).join());
    }
    expect(kinds.size).toBe(["/rerank", "/invocations"].includes(path) ? 3 : 1);
  });
});

describe("the pages", () => {
  const policy = "content-security-policy";

  test("/docs loads what it needs from this server, and may load nothing else", async () => {
    const page = await fetch(`${service.url}/docs/`);
    expect(page.status).toBe(200);
    expect(page.headers.get(policy)).toMatch(/^default-src 'none'; script-src 'self'/);
    expect(page.headers.get(policy)).not.toMatch(/https?:|upgrade-insecure-requests|unsafe/);
    const html = await page.text();
    const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link ?? "");
    expect(links.length).toBeGreaterThan(3);
    expect(links).toEqual(expect.arrayContaining(["json", "yaml"]));
    for (const link of links) {
      const url = new URL(link, page.url);
      expect(url.origin).toBe(service.url);
      expect((await fetch(url)).status, link).toBe(200);
    }
  });

  test("are there while the model loads, and after that failed", async () => {
    const context = new ServerContext({ modelName: "m", requestTimeoutMs: 1000, bodyLimitBytes: 1000 });
    const server = createServer(context);
    const statuses = async () =>
      Promise.all(["/docs/", "/docs/json", "/docs/yaml"].map(async (url) => (await server.inject(url)).statusCode));
    expect(await statuses()).toEqual([200, 200, 200]);
    context.lifecycle.fail("no such file");
    expect(await statuses()).toEqual([200, 200, 200]);
  });

  test("what is not there is an error in the shape of all", async () => {
    const missing = await fetch(`${service.url}/docs/assets/nothing.js`);
    expect([missing.status, await missing.json()]).toEqual([
      404,
      expect.objectContaining({ error: { code: "not_found", message: expect.any(String) } }),
    ]);
  });
});
