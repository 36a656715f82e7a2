/**
 * Fetching onto other disks: Windows without the privilege for symbolic links, FAT without any links, a disk that fills up. Mocks
 * of node:fs/promises give their answers.
 */

import type * as files from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { mkdir, mkdtemp, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { continueAnswers } from "../../src/cli/answer-file.js";
import { RerankError } from "../../src/errors.js";
import { HubCache } from "../../src/model/hub-cache.js";
import { hubTest, modelFile, modelSize, repository } from "../support/hub.js";

const disk = vi.hoisted(() => ({ symlinks: true, hardLinks: true, appendCanShorten: true, full: false }));

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof files>();
  const refuse = (code: string) => Object.assign(new Error(`${code}: refused`), { code });
  return {
    ...real,
    symlink: (...link: Parameters<typeof real.symlink>) =>
      disk.symlinks ? real.symlink(...link) : Promise.reject(refuse("EPERM")),
    link: (...link: Parameters<typeof real.link>) => (disk.hardLinks ? real.link(...link) : Promise.reject(refuse("EISDIR"))),
    open: async (...file: Parameters<typeof real.open>): Promise<FileHandle> => {
      const handle = await real.open(...file);
      const [, flags] = file;
      if (!disk.appendCanShorten && typeof flags === "string" && flags.startsWith("a")) {
        vi.spyOn(handle, "truncate").mockRejectedValue(refuse("EPERM"));
      }
      if (disk.full) vi.spyOn(handle, "write").mockRejectedValue(refuse("ENOSPC"));
      return handle;
    },
  };
});

beforeEach(() => {
  Object.assign(disk, { symlinks: true, hardLinks: true, appendCanShorten: true, full: false });
});

describe("without the privilege for symbolic links", () => {
  test("the snapshot is a hard link to the blob, and is found again online and offline", async () => {
    disk.symlinks = false;
    await using it = await hubTest();
    const { modelPath } = await it.fetch();
    const blob = join(it.cacheDirectory, "models--someone--jina-reranker-copy", "blobs", it.model.sha256);
    expect((await stat(modelPath)).ino).toBe((await stat(blob)).ino);
    const before = it.hub.contentBytes();
    expect((await it.fetch()).modelPath).toBe(modelPath);
    expect((await it.fetch({ offline: true })).modelPath).toBe(modelPath);
    expect(it.hub.contentBytes()).toBe(before);
  });

  test("and without hard links the blob is moved, not copied, and the file is found again", async () => {
    Object.assign(disk, { symlinks: false, hardLinks: false });
    await using it = await hubTest();
    const { modelPath } = await it.fetch();
    expect(await readFile(modelPath)).toHaveLength(modelSize);
    expect((await it.cached()).filter((path) => path.includes("blobs"))).toEqual([]);
    const before = it.hub.contentBytes();
    expect((await it.fetch()).modelPath).toBe(modelPath);
    expect(it.hub.contentBytes()).toBe(before);
  });
});

describe("where a file opened for appending cannot be shortened", () => {
  test("a partial file that is too long is restarted", async () => {
    disk.appendCanShorten = false;
    await using it = await hubTest();
    const partial = join(it.cacheDirectory, "models--someone--jina-reranker-copy", "blobs", `${it.model.sha256}.partial`);
    await mkdir(dirname(partial), { recursive: true });
    await writeFile(partial, Buffer.alloc(modelSize + 1));
    const { modelPath } = await it.fetch();
    expect(await readFile(modelPath)).toHaveLength(modelSize);
  });

  test("a bulk run drops the cut last line of its output and continues after the complete ones", async () => {
    disk.appendCanShorten = false;
    const path = join(await mkdtemp(join(tmpdir(), "jina-reranker-answers-")), "Ausgabe 雪.jsonl");
    await writeFile(path, '{"line":1,"results":["é"]}\n{"line":2,"err');
    {
      await using answers = await continueAnswers(path, { index: 1, count: 1 });
      expect([answers.done, answers.failed]).toEqual([1, 0]);
      await answers.append('{"line":2,"results":["ü"]}');
      await answers.append('{"line":3,"results":[]}');
    }
    expect(await readFile(path, "utf8")).toBe(
      '{"line":1,"results":["é"]}\n{"line":2,"results":["ü"]}\n{"line":3,"results":[]}\n',
    );
  });
});

test("a disk that fills up during the fetch gives one error that names the variable", async () => {
  await using it = await hubTest();
  disk.full = true;
  const { code, message } = await it.failure();
  expect([code, message]).toEqual(["disk_full", expect.stringMatching(/ENOSPC.*HF_HUB_CACHE/)]);
});

describe("links in the cache that lead out of it", () => {
  const commit = "c".repeat(40);
  const checksum = { algorithm: "sha256", hex: "d".repeat(64) } as const;

  async function cacheAndOutside() {
    const root = await mkdtemp(join(tmpdir(), "jina-reranker-links-"));
    const outside = join(root, "outside");
    await mkdir(outside);
    await writeFile(join(outside, modelFile), "precious");
    const folder = join(root, "hub", "models--someone--jina-reranker-copy");
    for (const name of ["blobs", "snapshots"]) await mkdir(join(folder, name), { recursive: true });
    return { cache: new HubCache(join(root, "hub"), repository), folder, outside };
  }

  test("removing a file that is a link removes the link and keeps its target", async () => {
    const { cache, outside } = await cacheAndOutside();
    const path = cache.snapshotPath(commit, modelFile);
    await mkdir(dirname(path), { recursive: true });
    await symlink(join(outside, modelFile), path);
    await cache.remove(path);
    await expect(stat(path)).rejects.toThrow("ENOENT");
    await symlink(join(outside, modelFile), cache.blobPath(checksum));
    await cache.remove(cache.blobPath(checksum));
    expect(await readFile(join(outside, modelFile), "utf8")).toBe("precious");
  });

  test("a snapshot folder that is a link is neither written to nor emptied", async () => {
    const { cache, folder, outside } = await cacheAndOutside();
    await symlink(outside, join(folder, "snapshots", commit));
    await writeFile(cache.blobPath(checksum), "fetched");
    const wrong = { code: "cache_not_writable", message: expect.stringContaining("leads out of the cache") };
    await expect(cache.link(checksum, commit, modelFile)).rejects.toMatchObject(wrong);
    await expect(cache.remove(cache.snapshotPath(commit, modelFile))).rejects.toMatchObject(wrong);
    expect(await readdir(outside)).toEqual([modelFile]);
    expect(await readFile(join(outside, modelFile), "utf8")).toBe("precious");
  });

  test("a partial file that is a link is replaced, and its target stays", async () => {
    await using it = await hubTest();
    const precious = join(it.root, "precious");
    await writeFile(precious, "precious");
    const partial = join(it.cacheDirectory, "models--someone--jina-reranker-copy", "blobs", `${it.model.sha256}.partial`);
    await mkdir(dirname(partial), { recursive: true });
    await symlink(precious, partial);
    await it.fetch();
    expect(await readFile(precious, "utf8")).toBe("precious");
  });

  test.each(["../../../outside", "/outside", ".."])(
    "the revision %j is refused as a path, and is no commit when a ref file holds it",
    async (name) => {
      const { cache, folder } = await cacheAndOutside();
      await expect(cache.setCommit(name, commit)).rejects.toThrow(RerankError);
      await mkdir(join(folder, "refs"));
      await writeFile(join(folder, "refs", "main"), name);
      expect(await cache.commitOf("main")).toBeUndefined();
      expect(() => cache.snapshotPath(commit, name)).toThrow("does not name a file");
      expect(() => cache.snapshotPath(name, "a")).toThrow("does not name a file");
    },
  );

  test("temporary names are random, so two processes with the same id do not collide", async () => {
    const { cache, folder } = await cacheAndOutside();
    await writeFile(cache.blobPath(checksum), "fetched");
    const path = cache.snapshotPath(commit, modelFile);
    await mkdir(dirname(path), { recursive: true });
    for (const name of [path, join(folder, "refs", "main")]) {
      await mkdir(`${name}.${process.pid}`, { recursive: true });
    }
    await cache.link(checksum, commit, modelFile);
    await cache.setCommit("main", commit);
    expect(await cache.commitOf("main")).toBe(commit);
    expect(await readFile(path, "utf8")).toBe("fetched");
  });
});
