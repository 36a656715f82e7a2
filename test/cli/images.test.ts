/** Images on the command line: as files, in JSONL and in pairs. Each command is a process with the random model and tower. */

import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Reranker } from "../../src/reranker.js";
import { runCommand } from "../support/command.js";
import { type ImageModelFiles, imageModel, structuredPng } from "../support/image-model.js";

const query = "what is paper made of?";
const text = "paper is made of wood";
const [wide, high] = [structuredPng(28 * 7, 28 * 3, 1), structuredPng(28 * 5, 28 * 6, 2)];

let files: ImageModelFiles;
let model: string[];
let folder: string;
/** The scores of the text, the wide image and the high one. */
let scores: readonly number[];
/** The same for the high image as the query. */
let scoresOfImage: readonly number[];

const at = (name: string) => join(folder, name);

beforeAll(async () => {
  files = await imageModel();
  model = ["--model", files.modelPath, "--head", files.headPath, "--n-gpu-layers", "0", "--n-threads", "1", "--ctx-size", "1024"];
  folder = await mkdtemp(join(tmpdir(), "jina-reranker-images-"));
  await writeFile(at("text.txt"), text);
  await writeFile(at("wide.png"), wide);
  // What a file is does not depend on its name.
  await writeFile(at("high.txt"), high);
  await using reranker = await Reranker.load({ ...files, gpuLayers: 0, threads: 1, contextSize: 1024 });
  const documents = [text, { image: wide }, { image: high }];
  scores = [...(await reranker.score({ query, documents })).scores];
  scoresOfImage = [...(await reranker.score({ query: { image: high }, documents })).scores];
});
afterAll(() => rm(folder, { recursive: true }));

const withTower = () => [...model, "--mmproj", files.mmprojPath];

interface Result {
  readonly index: number;
  readonly relevance_score: number;
  readonly file: string;
  readonly document: unknown;
}

function scoresIn(stdout: string): (readonly [string, number])[] {
  const { results } = JSON.parse(stdout) as { results: readonly Result[] };
  return results.toSorted((left, right) => left.index - right.index).map(({ file, relevance_score }) => [file, relevance_score]);
}

test("rerank: files are texts or images by what is in them, --image adds images, and --query-image asks with one", async () => {
  const documents = [at("text.txt"), at("wide.png"), "--image", at("high.txt")];
  const { stdout, code } = await runCommand(["rerank", ...withTower(), "--query", query, ...documents]);
  expect(code).toBe(0);
  const names = [at("text.txt"), at("wide.png"), at("high.txt")];
  expect(scoresIn(stdout)).toEqual(names.map((name, index) => [name, scores[index]]));
  const asked = await runCommand(["rerank", ...withTower(), "--query-image", at("high.txt"), ...documents]);
  expect(scoresIn(asked.stdout)).toEqual(names.map((name, index) => [name, scoresOfImage[index]]));
});

test("rerank: what is wrong with an image is told with its name", async () => {
  const notAnImage = await runCommand(["rerank", ...withTower(), "--query", query, "--image", at("text.txt")]);
  expect([notAnImage.code, notAnImage.stderr]).toEqual([
    1,
    `jina-reranker: ${at("text.txt")}: expected a JPEG, PNG, WebP or GIF, got something else\n`,
  ]);
  const withoutTower = await runCommand(["rerank", ...model, "--query", query, at("text.txt"), at("wide.png")]);
  expect(withoutTower.code).toBe(1);
  expect(withoutTower.stderr).toMatch(
    /wide\.png: expected text, got an image, .* IMAGES=true after `jina-reranker download --vision`/,
  );
});

test("--images without a tower beside the model stops the start, and says what to type", async () => {
  const { code, stderr } = await runCommand(["rerank", ...model, "--images", "--query", query, at("text.txt")]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/no vision tower.*`jina-reranker download --vision`.*MMPROJ_PATH/);
});

test("--images takes the tower that lies beside the model", async () => {
  const linked: Readonly<Record<string, string>> = {
    "model.gguf": files.modelPath,
    "mlp_weights.npz": files.headPath,
    "mmproj-jina-reranker-m0-Q8_0.gguf": files.mmprojPath,
  };
  for (const [name, path] of Object.entries(linked)) await symlink(path, at(name));
  const own = ["--model", at("model.gguf"), ...model.slice(model.indexOf("--n-gpu-layers"))];
  const { stdout } = await runCommand(["rerank", ...own, "--images", "--query", query, at("wide.png")]);
  expect(scoresIn(stdout)).toEqual([[at("wide.png"), scores[1]]]);
});

test("rerank --jsonl: images as data, and as files of the folder that is allowed, which answers name as the line did", async () => {
  const lines = [
    { query, documents: [text, { image_path: "wide.png" }, { image: high.toString("base64") }] },
    { query: { image_path: "high.txt" }, documents: [text, { image_path: "wide.png" }], return_documents: false },
    { query, documents: [{ image_path: "../wide.png" }] },
  ];
  await writeFile(at("requests.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const { stdout, code } = await runCommand([
    ...["rerank", "--jsonl", ...withTower(), "--image-folder", folder, at("requests.jsonl")],
  ]);
  expect(code).toBe(1);
  const [first, second, third] = stdout.split("\n", 3).map((line) => JSON.parse(line));
  const byIndex = (answer: { results: readonly Result[] }) =>
    answer.results.toSorted((left, right) => left.index - right.index).map(({ relevance_score }) => relevance_score);
  expect(byIndex(first)).toEqual(scores);
  expect(first.results.find(({ index }: Result) => index === 1).document).toEqual({ image_path: "wide.png" });
  expect(byIndex(second)).toEqual(scoresOfImage.slice(0, 2));
  expect(second.query).toEqual({ image_path: "high.txt" });
  expect(third.error).toMatchObject({ code: "invalid_request", message: expect.stringContaining("leads out of it") });
});

test("verify compares pairs with images, and info tells of the tower", async () => {
  const pairs = [
    { query, document: text, score: scores[0] },
    { query, document: { image_path: "wide.png" }, score: scores[1] },
    { query: { image_path: "high.txt" }, document: { image_path: "wide.png" }, score: scoresOfImage[1] },
  ];
  await writeFile(at("pairs.jsonl"), pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(""));
  const verify = ["verify", ...withTower(), "--pairs", at("pairs.jsonl"), "--json"];
  const verified = await runCommand([...verify, "--image-folder", folder]);
  expect(JSON.parse(verified.stdout)).toMatchObject({ pairs: 3, within: true });
  expect((await runCommand(verify)).stderr).toMatch(/line 2: document\.image_path: expected .*--image-folder/);
  const told = await runCommand(["info", ...withTower()]);
  expect(told.stdout).toMatch(/^vision +images of up to 768 tokens, /m);
});
