/** Each failure of a fetch is one error that says what to do, and leaves nothing that a later start would load. */

import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { officialRepository } from "../../src/model/official.js";
import { asNobody } from "../support/as-nobody.js";
import { type HubTest, headFile, hubTest, modelFile, modelSize, nobody, repository } from "../support/hub.js";
import { bytesFile, type Fault, type HubRequest } from "../support/hub-double.js";

/** The storage host has this fault when it sends the GGUF. */
function onContent(it: HubTest, fault: Fault): void {
  it.hub.fault = ({ host, path }) => (host === "storage" && path.includes(it.model.sha256) ? fault : undefined);
}

async function sha256(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

async function nothingLeft(it: HubTest): Promise<void> {
  expect((await it.cached()).filter((path) => path.includes(it.model.sha256) || path.endsWith(modelFile))).toEqual([]);
}

describe("content that is not what the hub announced", () => {
  test("a corrupted body is removed and reported with both checksums; a later fetch is right", async () => {
    await using it = await hubTest();
    onContent(it, { corrupt: true });
    const { code, message } = await it.failure();
    expect(code).toBe("checksum_mismatch");
    expect(message).toMatch(new RegExp(`sha256 is [0-9a-f]{64}, expected ${it.model.sha256}$`));
    await nothingLeft(it);
    it.hub.fault = () => undefined;
    await it.fetch();
  });

  test("too few bytes are reported with both sizes", async () => {
    await using it = await hubTest();
    onContent(it, { shortBy: 10 });
    const { code, message } = await it.failure();
    expect(code).toBe("checksum_mismatch");
    expect(message).toContain(`sends ${modelSize - 10} bytes, expected ${modelSize}`);
    await nothingLeft(it);
  });

  test("other files under the official names are refused with both checksums before any content is fetched", async () => {
    await using it = await hubTest();
    it.hub.put(officialRepository, modelFile, it.model);
    it.hub.put(officialRepository, headFile, bytesFile(randomBytes(100)));
    const { code, message } = await it.failure({}, { repository: officialRepository });
    expect(code).toBe("checksum_mismatch");
    expect(message).toContain(it.model.sha256);
    expect(message).toContain("30c680bcc5ff0b89d0b3470a1fa44cd510b99f972a9e1bda61075277ff50e3c0");
    expect(it.hub.contentBytes()).toBe(0);
  });

  test("a hub that announces the published checksum and sends something else is refused with both checksums", async () => {
    await using it = await hubTest();
    const published = {
      announcedSize: 3_613_968,
      announcedSha256: "b7bea0fbe19940fbd1a98ffb3287bc74aec064646b4f602d287605ead9e36448",
    };
    const fake = bytesFile(randomBytes(3_613_968), published);
    it.hub.put(officialRepository, headFile, fake);
    it.hub.put(
      officialRepository,
      modelFile,
      bytesFile(randomBytes(10), {
        ...{ announcedSize: 986_046_656 },
        announcedSha256: "30c680bcc5ff0b89d0b3470a1fa44cd510b99f972a9e1bda61075277ff50e3c0",
      }),
    );
    const { code, message } = await it.failure({}, { repository: officialRepository });
    expect(code).toBe("checksum_mismatch");
    expect(message).toContain(fake.sha256);
    expect(message).toContain(published.announcedSha256);
    expect(it.notices[0]).toContain("CC BY-NC 4.0");
    expect(await it.cached()).toEqual([]);
  });

  test.each([
    ["longer than the file", modelSize + 1],
    ["of other content", 1000],
    ["of other content and the right size", modelSize],
  ])("a partial file %s is replaced by the right one", async (_, size) => {
    await using it = await hubTest();
    const partial = join(it.cacheDirectory, "models--someone--jina-reranker-copy", "blobs", `${it.model.sha256}.partial`);
    await mkdir(dirname(partial), { recursive: true });
    await writeFile(partial, randomBytes(size));
    expect(await sha256(await it.fetch().then(({ modelPath }) => modelPath))).toBe(it.model.sha256);
  });
});

describe("a hub that refuses", () => {
  test("401 says that a token is missing or not valid, without a retry", async () => {
    await using it = await hubTest();
    const unknown = { repository: "someone/secret" };
    expect(await it.failure({}, unknown)).toMatchObject({
      code: "hub_unauthorized",
      message: expect.stringMatching(/answered 401.*HF_TOKEN is not set, and someone\/secret does not exist or is private/),
    });
    expect(it.hub.requests).toHaveLength(1);
    const { message } = await it.failure({ authorization: "Bearer hf_wrong" }, unknown);
    expect(message).toContain("is not valid");
    expect(message).not.toContain("hf_wrong");
  });

  test("403 for a gated repository says where to accept its conditions", async () => {
    await using it = await hubTest();
    const gated = { status: 403, headers: { "x-error-code": "GatedRepo" }, message: "Access to model is restricted" };
    it.hub.fault = ({ path }) => (path.includes("/resolve/") ? gated : undefined);
    const { code, message } = await it.failure({ authorization: "Bearer hf_someone" });
    expect(code).toBe("hub_forbidden");
    expect(message).toContain("Access to model is restricted");
    expect(message).toContain(`accept its conditions at ${it.hub.url}/${repository}`);
  });

  test("404 for a file lists the repository's GGUF files and the nearest name", async () => {
    await using it = await hubTest();
    it.hub.put(repository, "jina-reranker-m0-Q8_0.gguf", bytesFile(randomBytes(10)));
    const { code, message } = await it.failure({}, { file: "jina-reranker-m0-Q4_KM.gguf" });
    expect(code).toBe("hub_not_found");
    expect(message).toContain(`it has ${modelFile}, jina-reranker-m0-Q8_0.gguf. Did you mean ${modelFile}?`);
    expect(message).toContain("has no jina-reranker-m0-Q4_KM.gguf at main");
  });

  test("404 for a revision names it", async () => {
    await using it = await hubTest();
    const { code, message } = await it.failure({}, { revision: "v9" });
    expect([code, message]).toEqual(["hub_not_found", expect.stringContaining(`${repository} has no revision v9`)]);
  });

  test("after 429 the fetch waits as long as Retry-After says, but not an hour", async () => {
    await using it = await hubTest();
    let refused = 0;
    it.hub.fault = () => (refused++ < 2 ? { status: 429, headers: { "retry-after": "0" } } : undefined);
    await it.fetch();
    expect(refused).toBeGreaterThan(2);
    it.hub.push();
    it.hub.requests.length = 0;
    it.hub.fault = () => ({ status: 429, headers: { "retry-after": "3600" } });
    const patience = { attempts: 3, firstMs: 1, longestMs: 2000, answerMs: 20_000 };
    const { code, message } = await it.failure({}, { revision: "v1" }, { patience });
    expect([code, message]).toEqual([
      "hub_unavailable",
      expect.stringMatching(/answered 429.*try again in 3600 s, or set HF_TOKEN/),
    ]);
    expect(it.hub.requests).toHaveLength(1);
  });

  test("503 is retried a few times, for the API and for content", async () => {
    await using it = await hubTest();
    const asked = new Map<string, number>();
    it.hub.fault = ({ path }: HubRequest) => {
      const count = (asked.get(path) ?? 0) + 1;
      asked.set(path, count);
      return count < 3 && !path.includes("signature") ? { status: 503 } : undefined;
    };
    await it.fetch();
    expect(it.notices).toContainEqual(expect.stringMatching(/answered 503.*; trying again in 0\.0 s$/));
    it.hub.fault = () => ({ status: 503, message: "down for maintenance" });
    const { code, message } = await it.failure({}, { revision: "v1" });
    expect([code, message]).toEqual(["hub_unavailable", expect.stringMatching(/answered 503 \(down for maintenance\)/)]);
  });

  test("every retry asks the hub for a new link, because links expire", async () => {
    await using it = await hubTest();
    let first = true;
    it.hub.fault = ({ host, path }) => {
      if (host !== "storage" || !path.includes(it.model.sha256)) return undefined;
      const fault = first ? { cutAfter: modelSize / 2 } : undefined;
      first = false;
      return fault;
    };
    await it.fetch();
    const links = it.hub.requests.filter(({ path }) => path.includes("signature") && path.includes(it.model.sha256));
    expect(new Set(links.map(({ path }) => path)).size).toBe(2);
  });

  test("a mirror without paths-info is named, with the way around it", async () => {
    await using it = await hubTest();
    it.hub.fault = ({ path }) => (path.includes("/paths-info/") ? { status: 404 } : undefined);
    const { code, message } = await it.failure();
    expect(code).toBe("hub_unavailable");
    expect(message).toMatch(/lacks the route paths-info, which gives the sizes and checksums.*HF_ENDPOINT.*MODEL_PATH/);
  });

  test("a hub that never answers is tried once when the files are in the cache", async () => {
    await using it = await hubTest();
    const first = await it.fetch();
    it.hub.fault = () => ({ respond: () => {} });
    it.hub.requests.length = 0;
    const patience = { attempts: 2, firstMs: 1, longestMs: 2000, answerMs: 2000 };
    expect(await it.fetch({}, {}, { patience })).toEqual(first);
    expect(it.hub.requests).toHaveLength(1);
    expect(it.notices.at(-1)).toMatch(/using the files in the cache$/);
    it.hub.requests.length = 0;
    expect(await it.failure({}, { revision: "v1" }, { patience })).toMatchObject({ code: "hub_unreachable" });
    expect(it.hub.requests).toHaveLength(2);
  });

  test("a hub that refuses connections is named by its address", async () => {
    await using it = await hubTest();
    const { code, message } = await it.failure({ endpoint: await nobody() });
    expect([code, message]).toEqual([
      "hub_unreachable",
      expect.stringMatching(/^127\.0\.0\.1:\d+ could not be reached.*ECONNREFUSED/),
    ]);
  });
});

describe("a disk that refuses", () => {
  test("too little room for the file fails before anything is fetched", async () => {
    await using it = await hubTest();
    it.hub.put(repository, modelFile, bytesFile(randomBytes(10), { announcedSize: 1e15 }));
    const { code, message } = await it.failure();
    expect([code, message]).toEqual(["disk_full", expect.stringMatching(/needs 1000000000000000 bytes, \d+ are free/)]);
  });

  test("a cache path that is a file gives one error", async () => {
    await using it = await hubTest();
    await writeFile(it.cacheDirectory, "");
    const { code, message } = await it.failure();
    expect([code, message]).toEqual(["cache_not_writable", expect.stringMatching(/cannot be written: .*HF_HUB_CACHE/)]);
  });

  test("a cache that this user may not write gives one error", async () => {
    await using it = await hubTest();
    await mkdir(it.cacheDirectory, { mode: 0o500 });
    const failure = await asNobody(dirname(it.cacheDirectory), () => it.failure());
    expect(failure).toMatchObject({ code: "cache_not_writable", message: expect.stringContaining("EACCES") });
    expect(failure.message).toContain(it.cacheDirectory);
    await chmod(it.cacheDirectory, 0o700);
  });
});

test("a proxy from the environment is used for the API and for content", async () => {
  await using it = await hubTest();
  const through: string[] = [];
  const proxy = createServer().on("connect", ({ url = "" }, client, head) => {
    through.push(url);
    const [host = "", port = ""] = url.split(":");
    const server = connect(Number(port), host, () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      server.write(head);
      server.pipe(client).pipe(server);
    });
    for (const socket of [server, client]) socket.on("error", () => {});
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  process.env.http_proxy = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  onTestFinished(() => {
    delete process.env.http_proxy;
    proxy.closeAllConnections();
    proxy.close();
  });
  const { modelPath } = await it.fetch();
  expect(await readFile(modelPath)).toHaveLength(modelSize);
  const hosts = [it.hub.url, it.hub.storageUrl].map((url) => new URL(url).host);
  expect(new Set(through)).toEqual(new Set(hosts));
});

test("an invalid proxy address is refused without repeating it, as it may hold a password", async () => {
  await using it = await hubTest();
  process.env.http_proxy = "user:secret@proxy:3128";
  onTestFinished(() => {
    delete process.env.http_proxy;
  });
  const { code, message } = await it.failure();
  expect([code, message]).toEqual([
    "invalid_option",
    "http_proxy: expected the http or https address of a proxy, got something else",
  ]);
});

test("an aborted fetch ends at once with the signal's reason and keeps the partial file", async () => {
  await using it = await hubTest();
  onContent(it, { stallAfter: modelSize / 2 });
  const stop = new AbortController();
  const onTransfer = ({ bytes }: { bytes: number }) => {
    if (bytes > modelSize * 0.4) stop.abort(new Error("stopped by hand"));
  };
  await expect(it.fetch({}, {}, { signal: stop.signal, onTransfer })).rejects.toThrow("stopped by hand");
  expect((await it.cached()).filter((path) => path.endsWith(".partial"))).toHaveLength(1);
});
