/** The score head comes from the model's repository, from the one that HEAD_ID names, or from the official one. */

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect, test, vi } from "vitest";
import { fitsOfficialHead } from "../../src/load.js";
import type * as official from "../../src/model/official.js";
import { hasOfficialShape, officialRepository } from "../../src/model/official.js";
import { demoModel } from "../support/demo-service.js";
import { type HubTest, headFile, hubTest, modelFile, nobody } from "../support/hub.js";
import { bytesFile } from "../support/hub-double.js";

const bare = "quantiser/jina-reranker-m0-IQ4";

/** The tests do not have the published head. With `pinned` false a random one passes for it. */
const published = vi.hoisted(() => ({ pinned: true }));
vi.mock("../../src/model/official.js", async (original) => {
  const real = await original<typeof official>();
  const pinnedFile: typeof real.pinnedFile = (...file) => (published.pinned ? real.pinnedFile(...file) : undefined);
  return { ...real, pinnedFile };
});

/** A repository with a GGUF and no head; the official repository has a head. */
async function withoutHead(pinned: boolean): Promise<{ it: HubTest; head: Buffer }> {
  published.pinned = pinned;
  const it = await hubTest();
  const head = randomBytes(1000);
  it.hub.put(bare, modelFile, it.model);
  it.hub.put(officialRepository, headFile, bytesFile(head));
  return { it, head };
}

test("a repository without a head gets the official one when the model has its shape, and the log says so", async () => {
  const { it, head } = await withoutHead(false);
  await using _ = it;
  const { modelPath, headPath = "" } = await it.fetch({}, { repository: bare }, { fitsOfficialHead: () => true });
  expect(modelPath).toContain("models--quantiser--jina-reranker-m0-IQ4");
  expect(await readFile(headPath)).toEqual(head);
  expect(it.notices).toContainEqual(
    `${bare} has no mlp_weights.npz; using that of ${officialRepository}, because ${modelFile} has the shape of jina-reranker-m0`,
  );
  expect(it.notices).toContainEqual(expect.stringContaining("CC BY-NC 4.0"));
  const offline = await it.fetch({ offline: true }, { repository: bare }, { fitsOfficialHead: () => true });
  expect(offline).toMatchObject({ modelPath, headPath });
  const away = await it.fetch({ endpoint: await nobody() }, { repository: bare }, { fitsOfficialHead: () => true });
  expect(away).toMatchObject({ modelPath, headPath });
});

test("a model of another shape is refused, and the error names HEAD_ID and HEAD_PATH", async () => {
  const { it } = await withoutHead(false);
  await using _ = it;
  const asked: string[] = [];
  const fitsOfficialHead = (path: string) => {
    asked.push(path);
    return false;
  };
  const error = { code: "hub_not_found", message: expect.stringMatching(/does not have the shape.*HEAD_ID.*HEAD_PATH/) };
  expect(await it.failure({}, { repository: bare }, { fitsOfficialHead })).toMatchObject(error);
  expect(await it.failure({ offline: true }, { repository: bare }, { fitsOfficialHead })).toMatchObject(error);
  expect(asked).toEqual([expect.stringMatching(/\.gguf$/), expect.stringMatching(/\.gguf$/)]);
});

test("an official head that is not the pinned one is refused", async () => {
  const { it } = await withoutHead(true);
  await using _ = it;
  const { code, message } = await it.failure({}, { repository: bare }, { fitsOfficialHead: () => true });
  expect(code).toBe("checksum_mismatch");
  expect(message).toContain("b7bea0fbe19940fbd1a98ffb3287bc74aec064646b4f602d287605ead9e36448");
  expect(message).toMatch(/^quantiser\/jina-reranker-m0-IQ4 has no mlp_weights\.npz.*HEAD_ID/);
});

test("HEAD_ID's head comes before the one in the model's repository, online and offline", async () => {
  await using it = await hubTest();
  const head = randomBytes(500);
  it.hub.put("tuned/head", headFile, bytesFile(head));
  const { headPath = "" } = await it.fetch({}, { headRepository: "tuned/head" });
  expect(await readFile(headPath)).toEqual(head);
  const offline = await it.fetch({ offline: true }, { headRepository: "tuned/head" });
  expect(offline.headPath).toBe(headPath);
  const error = await it.failure({}, { headRepository: "tuned/none", revision: "v1" });
  expect(error).toMatchObject({ code: "hub_unauthorized", message: expect.stringContaining("tuned/none") });
});

test("the shape is the number of layers and of embedding parameters", () => {
  expect(hasOfficialShape({ layers: 28, embeddingParameters: 1536 * 151_936 })).toBe(true);
  expect(hasOfficialShape({ layers: 24, embeddingParameters: 1536 * 151_936 })).toBe(false);
  expect(hasOfficialShape({ layers: 28, embeddingParameters: 1024 * 151_936 })).toBe(false);
});

test("the shape of a GGUF on disk is read from the file", async () => {
  expect(fitsOfficialHead((await demoModel()).modelPath)).toBe(false);
});
