/** Fetching into the hub's cache, from a double of the hub with the same routes and headers. */

import { createHash, randomBytes } from "node:crypto";
import { lstat, readFile, readlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { downloadFileToCacheDir } from "@huggingface/hub";
import { describe, expect, test } from "vitest";
import { headFile, headSize, hubTest, modelFile, modelSize, nobody, repository } from "../support/hub.js";
import { bytesFile, gitFile } from "../support/hub-double.js";

const folder = "models--someone--jina-reranker-copy";

async function sha256(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

describe("a fetch", () => {
  test("puts both verified files into the hub's cache layout, and shows the licence once", async () => {
    await using it = await hubTest();
    const { modelPath, headPath, commit } = await it.fetch();
    expect(commit).toBe(it.hub.commit);
    expect(modelPath).toBe(join(it.cacheDirectory, folder, "snapshots", commit, modelFile));
    expect(headPath).toBe(join(it.cacheDirectory, folder, "snapshots", commit, headFile));
    expect(await sha256(modelPath)).toBe(it.model.sha256);
    expect(await readlink(modelPath)).toBe(join("..", "..", "blobs", it.model.sha256));
    expect(await readFile(join(it.cacheDirectory, folder, "refs", "main"), "utf8")).toBe(commit);
    expect(await it.cached()).toHaveLength(5);
    expect(it.notices).toEqual([`the licence of the model is on its page: ${it.hub.url}/${repository}`]);
    expect(it.hub.contentBytes()).toBe(modelSize + headSize);
    expect(it.transfers.at(-1)).toMatchObject({
      phase: "fetching",
      bytes: modelSize + headSize,
      totalBytes: modelSize + headSize,
    });
  });

  test("of cached files asks for no content, and with a commit asks for nothing at all", async () => {
    await using it = await hubTest();
    const first = await it.fetch();
    it.hub.requests.length = 0;
    expect(await it.fetch()).toEqual(first);
    expect(it.hub.requests.map(({ path }) => path).filter((path) => path.includes("/resolve/"))).toEqual([]);
    expect(it.hub.contentBytes()).toBe(0);
    it.hub.requests.length = 0;
    expect(await it.fetch({}, { revision: first.commit })).toEqual(first);
    expect(it.hub.requests).toEqual([]);
    expect(it.notices).toHaveLength(1);
  });

  test("of a new commit with the same files fetches no content either", async () => {
    await using it = await hubTest();
    const first = await it.fetch();
    it.hub.push();
    const before = it.hub.contentBytes();
    const second = await it.fetch();
    expect(second.commit).not.toBe(first.commit);
    expect(await sha256(second.modelPath)).toBe(it.model.sha256);
    expect(it.hub.contentBytes()).toBe(before);
  });

  test("checks a small file, which the hub keeps in git, by its git checksum", async () => {
    await using it = await hubTest();
    const head = gitFile(randomBytes(1000));
    it.hub.put(repository, headFile, head);
    const { headPath = "" } = await it.fetch();
    expect(await readlink(headPath)).toContain(head.gitHash);
    expect(await sha256(headPath)).toBe(head.sha256);
  });

  test("prefers the head beside a GGUF in a folder to the one at the top, and fetches none when it is not asked to", async () => {
    await using it = await hubTest();
    it.hub.put(repository, "q4/model.gguf", bytesFile(randomBytes(1000)));
    const atTop = await it.fetch({}, { file: "q4/model.gguf" });
    expect(atTop.headPath?.endsWith(`${atTop.commit}/${headFile}`)).toBe(true);
    it.hub.put(repository, `q4/${headFile}`, bytesFile(randomBytes(1000)));
    const beside = await it.fetch({}, { file: "q4/model.gguf" });
    expect(beside.headPath?.endsWith(`q4/${headFile}`)).toBe(true);
    expect((await it.fetch({}, { file: "q4/model.gguf" }, { withHead: false })).headPath).toBeUndefined();
  });

  test("finds the repository's own head on a mirror that lists no files", async () => {
    await using it = await hubTest();
    it.hub.fault = ({ path }) =>
      path.includes("/revision/")
        ? { respond: (response) => void response.end(JSON.stringify({ sha: it.hub.commit })) }
        : undefined;
    const { headPath } = await it.fetch();
    expect(headPath).toContain(folder);
  });

  test("sends the token to the hub, and not to the host it redirects to", async () => {
    await using it = await hubTest();
    await it.fetch({ authorization: "Bearer any-form-of-token" });
    const tokens = (host: string) =>
      it.hub.requests.filter((request) => request.host === host).map(({ headers }) => headers.authorization);
    expect(new Set(tokens("hub"))).toEqual(new Set(["Bearer any-form-of-token"]));
    expect(new Set(tokens("storage"))).toEqual(new Set([undefined]));
  });
});

describe("a cut connection", () => {
  test("is resumed where it broke: only the rest is requested", async () => {
    await using it = await hubTest();
    let cut = false;
    it.hub.fault = ({ host, path }) => {
      if (host !== "storage" || !path.includes(it.model.sha256) || cut) return undefined;
      cut = true;
      return { cutAfter: modelSize * 0.4 };
    };
    const { modelPath } = await it.fetch();
    expect(await sha256(modelPath)).toBe(it.model.sha256);
    const parts = it.hub.requests.filter(({ host, path }) => host === "storage" && path.includes(it.model.sha256));
    expect(parts).toHaveLength(2);
    const start = Number(/^bytes=(\d+)-$/.exec(parts[1]?.headers.range ?? "")?.[1]);
    expect(start).toBeGreaterThan(0);
    expect(start).toBeLessThanOrEqual(modelSize * 0.4);
    expect(parts[1]?.bytes).toBe(modelSize - start);
  });

  test("that always breaks again ends with one error, and the next fetch continues the partial file", async () => {
    await using it = await hubTest();
    it.hub.fault = ({ host, path }) => (host === "storage" && path.includes(it.model.sha256) ? { cutAfter: 0 } : undefined);
    let first = true;
    const broken = it.hub.fault;
    it.hub.fault = (request) => {
      const fault = broken(request);
      if (!fault || !first) return fault;
      first = false;
      return { cutAfter: modelSize * 0.4 };
    };
    const error = await it.failure();
    expect(error).toMatchObject({ code: "hub_unreachable", message: expect.stringContaining("the connection broke") });
    expect((await it.cached()).filter((path) => path.endsWith(".partial"))).toHaveLength(1);
    it.hub.fault = () => undefined;
    const before = it.hub.contentBytes();
    const { modelPath } = await it.fetch();
    expect(await sha256(modelPath)).toBe(it.model.sha256);
    expect(it.hub.contentBytes() - before).toBeLessThan(modelSize);
    expect((await it.cached()).filter((path) => path.endsWith(".partial"))).toEqual([]);
  });

  test("to a server without range requests restarts the file", async () => {
    await using it = await hubTest();
    let cut = false;
    it.hub.fault = ({ host, path }) => {
      if (host !== "storage" || !path.includes(it.model.sha256)) return undefined;
      if (cut) return { ignoreRange: true };
      cut = true;
      return { cutAfter: modelSize * 0.4 };
    };
    expect(await sha256((await it.fetch()).modelPath)).toBe(it.model.sha256);
  });
});

describe("the cache", () => {
  test("of the official client is used without a fetch, online and offline", async () => {
    await using it = await hubTest();
    for (const path of [modelFile, headFile]) {
      await downloadFileToCacheDir({ repo: repository, path, hubUrl: it.hub.url, cacheDir: it.cacheDirectory });
    }
    const before = it.hub.contentBytes();
    const offline = await it.fetch({ offline: true });
    expect(await sha256(offline.modelPath)).toBe(it.model.sha256);
    expect(await sha256((await it.fetch()).modelPath)).toBe(it.model.sha256);
    expect(it.hub.contentBytes()).toBe(before);
  });

  test("that this program fills is used by the official client", async () => {
    await using it = await hubTest();
    const { modelPath, commit } = await it.fetch();
    const before = it.hub.contentBytes();
    for (const revision of ["main", commit]) {
      const path = await downloadFileToCacheDir({
        ...{ repo: repository, path: modelFile, revision },
        ...{ hubUrl: it.hub.url, cacheDir: it.cacheDirectory },
      });
      expect(path).toBe(modelPath);
    }
    expect(it.hub.contentBytes()).toBe(before);
  });

  test("is enough offline and when the hub is down; offline nothing is asked", async () => {
    await using it = await hubTest();
    const first = await it.fetch();
    it.hub.requests.length = 0;
    expect(await it.fetch({ offline: true })).toEqual(first);
    expect(it.hub.requests).toEqual([]);
    expect(await it.fetch({ endpoint: await nobody() })).toEqual(first);
    expect(it.notices.at(-1)).toMatch(/could not be reached.*using the files in the cache$/);
  });

  test("that lacks the files is an error offline", async () => {
    await using it = await hubTest();
    expect(await it.failure({ offline: true })).toMatchObject({
      code: "not_cached",
      message: expect.stringContaining(modelFile),
    });
    expect(it.hub.requests).toEqual([]);
  });

  test("with a damaged file: the file is removed, reported with both checksums, and fetched again", async () => {
    await using it = await hubTest();
    const { modelPath } = await it.fetch();
    const bytes = await readFile(modelPath);
    bytes[1000] = (bytes[1000] ?? 0) ^ 1;
    await writeFile(modelPath, bytes);
    const wrong = await sha256(modelPath);
    expect(await it.failure({ offline: true })).toMatchObject({ code: "checksum_mismatch" });
    await it.fetch();
    expect(it.notices.at(-2)).toContain(wrong);
    expect(it.notices.at(-2)).toContain(it.model.sha256);
    expect(await sha256(modelPath)).toBe(it.model.sha256);
  });

  test("with a truncated file: the file is refused offline and fetched again online", async () => {
    await using it = await hubTest();
    const { modelPath } = await it.fetch();
    await truncate(modelPath, modelSize / 2);
    const { message } = await it.failure({ offline: true });
    expect(message).toContain(`expected ${it.model.sha256}`);
    await it.fetch();
    expect((await lstat(modelPath)).isSymbolicLink()).toBe(true);
    expect(await sha256(modelPath)).toBe(it.model.sha256);
  });
});
