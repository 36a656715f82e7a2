import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cacheDirectory, cachedDirectory } from "../src/model/cache.js";

test("the cache folder is where the system keeps caches", () => {
  expect(cacheDirectory({ XDG_CACHE_HOME: "/caches" }, "linux")).toBe(join("/caches", "jina-reranker"));
  expect(cacheDirectory({ XDG_CACHE_HOME: "" }, "linux")).toMatch(/\.cache.jina-reranker$/);
  expect(cacheDirectory({ LOCALAPPDATA: "/local" }, "win32")).toBe(join("/local", "jina-reranker"));
});

test("a folder is made once, also when several ask for it at the same time", async () => {
  const root = await mkdtemp(join(tmpdir(), "jina-reranker-cache-"));
  const make = (directory: string) => writeFile(join(directory, "file"), "whole");
  const directories = await Promise.all(Array.from({ length: 5 }, () => cachedDirectory(root, "thing", make)));
  expect(new Set(directories)).toEqual(new Set([join(root, "thing")]));
  expect(await readdir(root)).toEqual(["thing"]);
  const again = () => Promise.reject(new Error("made twice"));
  expect(await readFile(join(await cachedDirectory(root, "thing", again), "file"), "utf8")).toBe("whole");
});

test("a folder whose making failed is not there, and leaves nothing behind", async () => {
  const root = await mkdtemp(join(tmpdir(), "jina-reranker-cache-"));
  const fail = () => Promise.reject(new Error("disk full"));
  await expect(cachedDirectory(root, "thing", fail)).rejects.toThrow("disk full");
  expect(await readdir(root)).toEqual([]);
});
