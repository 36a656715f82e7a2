/** The library loads a model by name: a repository of the hub, or the demo. */

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { afterEach, expect, test, vi } from "vitest";
import { Reranker } from "../../src/reranker.js";
import type { LoadActivity } from "../../src/types.js";
import { demoModel } from "../support/demo-service.js";
import { headFile, hubTest } from "../support/hub.js";
import { bytesFile } from "../support/hub-double.js";

const small = { contextSize: 256, gpuLayers: 0, threads: 1 };
const bread = { query: "bread", documents: ["the history of Rome", "how to bake bread"] };

afterEach(() => {
  vi.unstubAllEnvs();
});

test("a repository's files are fetched with progress, the logger is warned of the licence, and the model ranks", async () => {
  await using it = await hubTest();
  const { modelPath, headPath } = await demoModel();
  it.hub.put("someone/small", "small.gguf", bytesFile(await readFile(modelPath)));
  it.hub.put("someone/small", headFile, bytesFile(await readFile(headPath)));
  vi.stubEnv("HF_ENDPOINT", it.hub.url);
  vi.stubEnv("HF_HUB_CACHE", it.cacheDirectory);
  // The options name the model, so this variable must not count.
  vi.stubEnv("MODEL_ID", "someone/else");
  const activities = new Set<LoadActivity>();
  const warnings: string[] = [];
  const onProgress = (fraction: number, activity: LoadActivity) => {
    expect(fraction).toBeGreaterThanOrEqual(0);
    expect(fraction).toBeLessThanOrEqual(1);
    activities.add(activity);
  };
  const logger = { info: () => {}, warn: (line: string) => warnings.push(line) };
  const options = { ...small, model: "someone/small", file: "small.gguf", onProgress, logger };
  {
    await using reranker = await Reranker.load(options);
    expect((await reranker.rerank(bread)).results[0]?.index).toBe(1);
  }
  expect([...activities]).toEqual(["fetching", "loading"]);
  expect(warnings).toContainEqual(expect.stringMatching(/licence.*someone\/small/));
  // Cached files are loaded without the hub.
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  await using again = await Reranker.load(options);
  expect((await again.rerank(bread)).results[0]?.index).toBe(1);
});

test("without a logger, the licence is a warning of the process", async () => {
  await using it = await hubTest();
  const { modelPath, headPath } = await demoModel();
  it.hub.put("someone/small", "small.gguf", bytesFile(await readFile(modelPath)));
  it.hub.put("someone/small", headFile, bytesFile(await readFile(headPath)));
  vi.stubEnv("HF_ENDPOINT", it.hub.url);
  vi.stubEnv("HF_HUB_CACHE", it.cacheDirectory);
  const warned = once(process, "warning");
  await using _reranker = await Reranker.load({ ...small, model: "someone/small", file: "small.gguf" });
  expect(await warned).toMatchObject([{ name: "RerankWarning", message: expect.stringMatching(/licence.*someone\/small/) }]);
});

test("the error for a file that the repository lacks lists the files that it has", async () => {
  await using it = await hubTest();
  vi.stubEnv("HF_ENDPOINT", it.hub.url);
  vi.stubEnv("HF_HUB_CACHE", it.cacheDirectory);
  const error = { code: "hub_not_found", message: expect.stringContaining("jina-reranker-m0-Q4_K_M.gguf") };
  await expect(Reranker.load({ model: "someone/jina-reranker-copy", file: "other.gguf" })).rejects.toMatchObject(error);
});

test("a wrong option is refused before anything is asked of the hub", async () => {
  await using it = await hubTest();
  vi.stubEnv("HF_ENDPOINT", it.hub.url);
  const load = Reflect.apply(Reranker.load, Reranker, [{ model: "someone/small", threads: -1 }]);
  await expect(load).rejects.toMatchObject({ code: "invalid_option", message: expect.stringMatching(/^threads: /) });
  expect(it.hub.requests).toEqual([]);
});

test("an undefined option counts as absent", async () => {
  const options = { ...small, ...(await demoModel()), model: undefined, demo: undefined, file: undefined, revision: undefined };
  await using reranker: Reranker = await Reflect.apply(Reranker.load, Reranker, [options]);
  expect((await reranker.rerank(bread)).results[0]?.index).toBe(1);
});

test("the demo model ranks", async () => {
  await using reranker = await Reranker.load({ ...small, demo: true });
  expect((await reranker.rerank(bread)).results[0]?.index).toBe(1);
});

test.each([
  [{ demo: true, model: "someone/small" }, "model: not with demo, which names another model; leave one of them out"],
  [{ model: "a/b", modelPath: "a.gguf" }, "modelPath: not with model, which names another model; leave one of them out"],
  [{ demo: false }, "demo: expected true, got false"],
  [{ demo: true, headPath: "a.npz" }, "headPath: not with demo, which has a score head of its own"],
  [{ demo: true, contextsize: 1 }, "contextsize: no such option; the nearest is contextSize"],
  [{ model: "small" }, 'model: expected a repository as owner/name, got "small"'],
  [{ model: "../up/there" }, 'model: expected a repository as owner/name, got "../up/there"'],
  [{ model: "a/b", file: "model.bin" }, 'file: expected the path of a .gguf file in the repository, got "model.bin"'],
  [{ model: "a/b", revision: ".." }, 'revision: expected a branch, a tag or a commit, got ".."'],
  [{ revision: "main" }, "revision: only with model, the repository that it is of"],
])("%j is refused", async (options, message) => {
  await expect(Reflect.apply(Reranker.load, Reranker, [options])).rejects.toMatchObject({ code: "invalid_option", message });
});
