import { mkdir, mkdtemp, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cacheDirectory, cachedDirectory } from "../../src/files/cache-folder.js";
import { unfinishedPath } from "../../src/files/write-atomically.js";

test("the cache folder lies where the system keeps caches", () => {
  expect(cacheDirectory({ XDG_CACHE_HOME: "/caches" }, "linux")).toBe(join("/caches", "jina-reranker"));
  expect(cacheDirectory({ XDG_CACHE_HOME: "" }, "linux")).toMatch(/\.cache.jina-reranker$/);
  expect(cacheDirectory({ LOCALAPPDATA: "/local" }, "win32")).toBe(join("/local", "jina-reranker"));
});

test("a user without a home folder is told which variable to set", () => {
  const home = () => {
    throw new Error("ENOENT: no such file or directory, uv_os_homedir returned ENOENT");
  };
  expect(cacheDirectory({ XDG_CACHE_HOME: "/caches" }, "linux", home)).toBe(join("/caches", "jina-reranker"));
  for (const [platform, variable] of [
    ["linux", "XDG_CACHE_HOME"],
    ["win32", "LOCALAPPDATA"],
  ] as const) {
    const act = () => cacheDirectory({}, platform, home);
    expect(act).toThrow(
      expect.objectContaining({ code: "cache_not_writable", message: expect.stringContaining(`set ${variable}`) }),
    );
  }
});

test("a cache that cannot be created is an error that names the variable", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "jina-reranker-cache-")), "file");
  await writeFile(file, "");
  const made = cachedDirectory(join(file, "cache"), "thing", async () => {});
  await expect(made).rejects.toMatchObject({
    code: "cache_not_writable",
    message: expect.stringMatching(/XDG_CACHE_HOME|LOCALAPPDATA/),
  });
});

test("a folder is made once, also when several callers ask at the same time", async () => {
  const root = await mkdtemp(join(tmpdir(), "jina-reranker-cache-"));
  const make = (directory: string) => writeFile(join(directory, "file"), "whole");
  const directories = await Promise.all(Array.from({ length: 5 }, () => cachedDirectory(root, "thing", make)));
  expect(new Set(directories)).toEqual(new Set([join(root, "thing")]));
  expect(await readdir(root)).toEqual(["thing"]);
  const again = () => Promise.reject(new Error("made twice"));
  expect(await readFile(join(await cachedDirectory(root, "thing", again), "file"), "utf8")).toBe("whole");
});

test("the remains of a killed process are removed, the unfinished folder of a running one is not", async () => {
  const root = await mkdtemp(join(tmpdir(), "jina-reranker-cache-"));
  const [abandoned, current] = [unfinishedPath(join(root, "thing")), unfinishedPath(join(root, "thing"))];
  for (const path of [abandoned, current]) await mkdir(path);
  await utimes(abandoned, 0, 0);
  await cachedDirectory(root, "thing", async () => {});
  expect((await readdir(root)).map((name) => join(root, name)).sort()).toEqual([join(root, "thing"), current].sort());
});

test("a folder whose making failed is absent and leaves nothing behind", async () => {
  const root = await mkdtemp(join(tmpdir(), "jina-reranker-cache-"));
  const fail = () => Promise.reject(new Error("disk full"));
  await expect(cachedDirectory(root, "thing", fail)).rejects.toThrow("disk full");
  expect(await readdir(root)).toEqual([]);
});
