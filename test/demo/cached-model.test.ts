/** The demo model in the cache is complete, or is made again. A read-only cache works. */

import { chmod, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { cachedDemoModel } from "../../src/demo/cached-model.js";
import { unfinishedPath } from "../../src/files/write-atomically.js";
import { recordPath } from "../../src/model/recorded-file.js";
import { asNobody } from "../support/as-nobody.js";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "jina-reranker-demo-"));
  vi.stubEnv("XDG_CACHE_HOME", root);
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const damages = {
  "a byte has changed": async (path: string) => {
    const bytes = await readFile(path);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(path, bytes);
  },
  "its end is missing": async (path: string) => truncate(path, (await stat(path)).size - 4096),
  "it is empty, as after a power cut": async (path: string) => truncate(path, 0),
  "it is gone": async (path: string) => rm(path),
  "its record is gone": async (path: string) => rm(recordPath(path)),
};

test.each(Object.entries(damages))("a model of which %s is written again with the same bytes", async (_, damage) => {
  const { modelPath, headPath } = await cachedDemoModel(root);
  const [model, head] = [await readFile(modelPath), await readFile(headPath)];
  await damage(modelPath);
  expect(await cachedDemoModel(root)).toEqual({ modelPath, headPath });
  expect((await readFile(modelPath)).equals(model)).toBe(true);
  expect((await readFile(headPath)).equals(head)).toBe(true);
});

test("several callers at once get one model, and nothing unfinished is left", async () => {
  const all = await Promise.all(Array.from({ length: 3 }, () => cachedDemoModel(root)));
  const [{ modelPath } = { modelPath: "" }] = all;
  expect(all.map((files) => files.modelPath)).toEqual([modelPath, modelPath, modelPath]);
  const names = await readdir(root);
  expect(names.filter((name) => name.startsWith("demo-"))).toEqual([basename(dirname(modelPath))]);
});

test("the remains of a killed run are removed at the next start, also when the model is complete", async () => {
  const { modelPath } = await cachedDemoModel(root);
  const left = unfinishedPath(dirname(modelPath));
  await writeFile(left, "");
  const yesterday = new Date(Date.now() - 86_400_000);
  await utimes(left, yesterday, yesterday);
  await cachedDemoModel(root);
  expect(await readdir(root)).not.toContain(basename(left));
});

test("a read-only cache works", async () => {
  const { modelPath } = await cachedDemoModel(root);
  const left = unfinishedPath(dirname(modelPath));
  await writeFile(left, "");
  await utimes(left, 0, 0);
  await chmod(root, 0o500);
  const found = await asNobody(root, () => cachedDemoModel(root));
  expect(found.modelPath).toBe(modelPath);
  await chmod(root, 0o700);
});
