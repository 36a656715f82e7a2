/** Images in requests to the library, from what stands for them to their scores: with a random model and vision tower. */

import { tracingChannel } from "node:diagnostics_channel";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Reranker } from "../../src/reranker.js";
import type { Content, LoadOptions, ScoreTrace } from "../../src/types.js";
import { type ImageModelFiles, imageModel, structuredPng } from "../support/image-model.js";

const query = "what is paper made of?";
const texts = ["paper is made of wood", "a river of stone", "green houses ".repeat(40)];
/** Of 7 by 3 tokens and of 5 by 6. */
const [wide, high] = [structuredPng(28 * 7, 28 * 3, 1), structuredPng(28 * 5, 28 * 6, 2)];
const [wideTokens, highTokens] = [21, 30];

let files: ImageModelFiles;
let folder: string;
let path: string;
let open: Reranker[] = [];

beforeAll(async () => {
  files = await imageModel();
  folder = await mkdtemp(join(tmpdir(), "jina-reranker-image-requests-"));
  path = join(folder, "wide.png");
  await writeFile(path, wide);
});
afterEach(async () => {
  await Promise.all(open.map((reranker) => reranker.close()));
  open = [];
});
afterAll(() => rm(folder, { recursive: true }));

async function load(more: Partial<LoadOptions> = {}): Promise<Reranker> {
  const reranker = await Reranker.load({ ...files, contextSize: 2048, gpuLayers: 0, threads: 1, scoreCacheMb: 0, ...more });
  open.push(reranker);
  return reranker;
}

async function logits(reranker: Reranker, documents: readonly Content[], asked: Content = query): Promise<number[]> {
  return [...(await reranker.score({ query: asked, documents })).logits];
}

test("an image has one score, as bytes, path and data, alone, among texts and repeated", async () => {
  const reranker = await load();
  const [alone] = await logits(reranker, [{ image: wide }]);
  expect(alone).not.toBe((await logits(reranker, [{ image: high }]))[0]);
  const data = wide.toString("base64");
  const forms = [{ image: wide }, { image: path }, { image: { data } }, { image: { data: `data:image/png;base64,${data}` } }];
  const all = await logits(reranker, [...texts, ...forms, ...forms]);
  expect(all.slice(texts.length)).toEqual(Array(2 * forms.length).fill(alone));
  expect(all.slice(0, texts.length)).toEqual(await logits(reranker, texts));
});

test("a query may be an image, for texts and for images", async () => {
  const reranker = await load();
  const documents = [...texts, { image: high }];
  const all = await logits(reranker, documents, { image: wide });
  for (const [index, document] of documents.entries())
    expect(await logits(reranker, [document], { image: wide })).toEqual([all[index]]);
  expect(all).not.toEqual(await logits(reranker, documents, { image: high }));
});

test("ranked documents are as they were given, and tokens and times tell of images", async () => {
  const reranker = await load();
  const documents: Content[] = ["text", { image: wide }, { image: path }, { image: { data: high.toString("base64") } }];
  const { results, usage, timings } = await reranker.rerank({ query, documents });
  for (const { index, document } of results) expect(document).toBe(documents[index]);
  const { promptTokens } = await reranker.score({ query, documents });
  expect([...promptTokens.subarray(1)].map((tokens) => tokens - (promptTokens[1] ?? 0))).toEqual([0, 0, highTokens - wideTokens]);
  expect(usage.promptTokens).toBe(promptTokens.reduce((sum, count) => sum + count));
  expect(timings.encodedImages).toBe(2);
  expect(timings.imageMs).toBeGreaterThan(0);
  expect(timings.totalMs).toBeGreaterThan(timings.imageMs);
  const again = await reranker.score({ query: "another query", documents });
  expect(again.timings.encodedImages).toBe(0);
  expect((await reranker.score({ query, documents: texts })).timings.imageMs).toBe(0);
});

test("images become smaller with imageMaxTokens", async () => {
  const { promptTokens } = await (await load()).score({ query, documents: [{ image: wide }] });
  const smaller = await (await load({ imageMaxTokens: 8 })).score({ query, documents: [{ image: wide }] });
  expect((promptTokens[0] ?? 0) - (smaller.promptTokens[0] ?? 0)).toBeGreaterThanOrEqual(wideTokens - 8);
});

test("a request with more images than maxImages is refused, the query's counted", async () => {
  const reranker = await load({ maxImages: 2 });
  const image = { image: wide };
  expect(await logits(reranker, [image, "text", image])).toHaveLength(3);
  await expect(logits(reranker, [image, image, image])).rejects.toMatchObject({ code: "too_many_images" });
  await expect(logits(reranker, [image, image], image)).rejects.toMatchObject({ code: "too_many_images" });
});

test.each<[string, Content, string]>([
  ["no image", { image: Buffer.from("no image") }, "image_invalid"],
  ["a damaged one", { image: wide.subarray(0, 200) }, "image_invalid"],
  ["one that is too large", { image: { data: wide.toString("base64") } }, "image_too_large"],
  ["a path without a file", { image: "/nowhere/page.png" }, "image_unreachable"],
  ["a URL", { image: { data: "https://pages.example/a.png" } }, "image_url_not_allowed"],
])("%s is refused by its place, and nothing of the request reaches the engine", async (_what, broken, code) => {
  const reranker = await load(code === "image_too_large" ? { imageMaxPixels: 100 } : {});
  await expect(logits(reranker, ["text", broken])).rejects.toMatchObject({
    code,
    message: expect.stringMatching(/^documents\[1\]: expected /),
  });
  await expect(logits(reranker, ["text"], broken)).rejects.toMatchObject({ code, message: expect.stringMatching(/^query: /) });
  expect(reranker.stats().jobsSubmitted).toBe(0);
});

test("an image that does not fit is not cut", async () => {
  const reranker = await load({ contextSize: 40 });
  await expect(logits(reranker, ["text", { image: high }], "a")).rejects.toMatchObject({
    code: "document_too_long",
    message: expect.stringMatching(/^documents\[1\]: /),
  });
});

test("a request that is aborted while its images are read never reaches the engine", async () => {
  const reranker = await load();
  const controller = new AbortController();
  const reason = new Error("enough");
  const running = reranker.score({ query, documents: [{ image: wide }], signal: controller.signal });
  controller.abort(reason);
  await expect(running).rejects.toBe(reason);
  expect(reranker.stats().jobsSubmitted).toBe(0);
  expect(await logits(reranker, [{ image: wide }])).toHaveLength(1);
});

test("closing fails requests whose images are being read, and later ones", async () => {
  const reranker = await load();
  const failed = expect(logits(reranker, [{ image: wide }])).rejects.toMatchObject({ code: "closed" });
  await reranker.close();
  await failed;
  await expect(logits(reranker, [{ image: wide }])).rejects.toMatchObject({ code: "closed" });
});

test("without a vision tower images are refused and texts are scored as with one", async () => {
  const { mmprojPath, ...without } = files;
  const reranker = await Reranker.load({ ...without, contextSize: 2048, gpuLayers: 0, threads: 1 });
  open.push(reranker);
  expect(reranker.limits.maxImages).toBe(0);
  expect(reranker.info.vision).toBeUndefined();
  await expect(logits(reranker, ["text", { image: wide }])).rejects.toMatchObject({ code: "images_not_supported" });
  expect(await logits(reranker, texts)).toEqual(await logits(await load(), texts));
});

test.each([
  ["is missing", "none.gguf", "model_not_found", "none.gguf: no such file"],
  ["is a folder", tmpdir(), "model_not_found", "expected a .gguf file, got a folder"],
])("a vision tower that %s stops the load with its name", async (_what, mmprojPath, code, message) => {
  await expect(load({ mmprojPath })).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
});

test("a language model is no vision tower", async () => {
  await expect(load({ mmprojPath: files.modelPath })).rejects.toMatchObject({ code: "model_invalid" });
});

test("several engines give the scores of one, and an image goes to the engine that has it", async () => {
  const documents: Content[] = [...texts, ...[3, 4, 5, 6].map((seed) => ({ image: structuredPng(28 * 3, 28 * 2, seed) }))];
  const several = await load({ gpus: ["cpu", "cpu"] });
  expect(await logits(several, documents)).toEqual(await logits(await load(), documents));
  expect(several.stats().imagesEncoded).toBe(4);
  const { timings } = await several.score({ query: "another query", documents: documents.toReversed() });
  expect(timings.encodedImages).toBe(0);
});

test("subscribers are told how many images a request has", async () => {
  const reranker = await load();
  const told: number[] = [];
  const note = (message: unknown) => void told.push((message as ScoreTrace).images);
  const channel = tracingChannel<ScoreTrace, ScoreTrace>("jina-reranker:score");
  channel.start.subscribe(note);
  await reranker.score({ query: { image: wide }, documents: ["text", { image: wide }] });
  await reranker.score({ query, documents: texts });
  channel.start.unsubscribe(note);
  expect(told).toEqual([2, 0]);
});
