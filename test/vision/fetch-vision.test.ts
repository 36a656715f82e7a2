/** The vision tower is made from parts of safetensors files, read from a double of the hub. */

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import type { RerankError } from "../../src/errors.js";
import { type ModelSource, towerFile } from "../../src/load.js";
import { officialVisionRepository } from "../../src/model/official.js";
import { visionFile } from "../../src/model/vision-file.js";
import { readSettings } from "../../src/settings/read.js";
import { hubSettings } from "../../src/settings/table.js";
import { fetchVision, type VisionOptions } from "../../src/vision/fetch-vision.js";
import { readGguf } from "../reference/gguf-file.js";
import { vision } from "../reference/vision.js";
import { runCommand, startCommand } from "../support/command.js";
import { nobody } from "../support/hub.js";
import { bytesFile, type Fault, gitFile, type HubDouble, type HubRequest, startHub } from "../support/hub-double.js";
import { structuredImage } from "../support/images.js";
import { config, json, mean, type RandomTower, randomTower, std } from "../support/random-tower.js";
import { until } from "../support/until.js";

const repository = "someone/tower";
/** Its merger has pieces of more than one megabyte. */
const shape = { layers: 2, embeddingLength: 192, headLength: 32, feedForwardLength: 192, projectionLength: 96 };
const single = randomTower(shape, 1);
const sharded = randomTower(shape, 3);

interface VisionTest {
  readonly hub: HubDouble;
  readonly cacheDirectory: string;
  readonly notices: string[];
  fetch(change?: Partial<VisionOptions>, environment?: object): Promise<string>;
  failure(...request: Parameters<VisionTest["fetch"]>): Promise<RerankError>;
  /** Names of what is in the cache's folder of blobs. */
  blobs(): Promise<readonly string[]>;
  put(files: Iterable<readonly [string, Buffer]>, name?: string): void;
  /** Bytes of the safetensors files that were sent. */
  sent(): number;
}

async function visionTest(tower: RandomTower = single): Promise<VisionTest> {
  const hub = await startHub();
  const root = await mkdtemp(join(tmpdir(), "jina-reranker-vision-"));
  process.env.XDG_CACHE_HOME = join(root, "xdg");
  onTestFinished(async () => {
    await hub[Symbol.asyncDispose]();
    await rm(root, { recursive: true, force: true });
  });
  const put: VisionTest["put"] = (files, name = repository) => {
    for (const [path, bytes] of files) hub.put(name, path, path.endsWith(".json") ? gitFile(bytes) : bytesFile(bytes));
  };
  put(tower.files);
  const cacheDirectory = join(root, "hub");
  const environment = { endpoint: hub.url, authorization: undefined, cacheDirectory, offline: false };
  const notices: string[] = [];
  const fetch: VisionTest["fetch"] = (change, different) =>
    fetchVision({ ...environment, ...different }, repository, {
      ...{ type: "q8_0", patience: { attempts: 3, firstMs: 1, longestMs: 2000, answerMs: 20_000 } },
      onTransfer: () => {},
      logger: { info: (line) => notices.push(line), warn: (line) => notices.push(line) },
      ...change,
    });
  return {
    ...{ hub, cacheDirectory, notices, put, fetch },
    async failure(...request) {
      const outcome = await fetch(...request).catch((error: unknown) => error);
      if (outcome instanceof Error && outcome.name === "RerankError") return outcome as RerankError;
      throw outcome instanceof Error ? outcome : new Error("expected a failure, got a file");
    },
    blobs: () => readdir(join(cacheDirectory, "models--someone--tower", "blobs")).catch(() => []),
    sent: () => hub.requests.filter(({ host }) => host === "storage").reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Ranges of the file, in the order of the requests. */
function rangesOf(hub: HubDouble, bytes: Buffer): [number, number][] {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return hub.requests.flatMap(({ host, path, headers }): [number, number][] => {
    if (host !== "storage" || !path.includes(sha256)) return [];
    const [, begin, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
    return [[Number(begin), Number(last) + 1]];
  });
}

const headerBytes = (file: Buffer) => 8 + Number(file.readBigUInt64LE());

/** The fault is in answers for parts beyond the header. */
function onTensors(file: Buffer, fault: Fault) {
  return ({ host, headers }: HubRequest): Fault | undefined =>
    host === "storage" && Number(/^bytes=(\d+)-/.exec(headers.range ?? "")?.[1] ?? 0) >= headerBytes(file) ? fault : undefined;
}

const file = (tower: RandomTower, name = "model.safetensors") => tower.files.get(name) ?? Buffer.alloc(0);

describe("the file that is written", () => {
  test.each([
    ["q8_0", "one file", single],
    ["f16", "one file", single],
    ["q8_0", "three shards", sharded],
    ["f16", "three shards", sharded],
  ] as const)("is what llama.cpp's converter writes, byte for byte: %s from %s", async (type, _, tower) => {
    const it = await visionTest(tower);
    const path = await it.fetch({ type });
    expect(path.endsWith(`mmproj-jina-reranker-m0-${type.toUpperCase()}.gguf`)).toBe(true);
    expect((await readFile(path)).equals(tower.mmproj(type, repository))).toBe(true);
    const sha256 = createHash("sha256").update(tower.mmproj(type, repository)).digest("hex");
    // Nothing unfinished is left.
    expect(await it.blobs()).toEqual([sha256]);
    expect(it.notices).toEqual([`the licence of the model is on its page: ${it.hub.url}/${repository}`]);
  });

  test("needs only the headers, the configuration and the tower's tensors", async () => {
    const it = await visionTest(sharded);
    await it.fetch();
    for (const [name, bytes] of sharded.files) {
      if (name.endsWith(".json")) continue;
      const header = headerBytes(bytes);
      const [prefix, rest, ...tensors] = rangesOf(it.hub, bytes);
      expect([prefix, rest]).toEqual([
        [0, 8],
        [8, header],
      ]);
      // A language model's tensor of 200,000 bytes lies before the tower's, and one behind.
      expect(tensors).toEqual([[header + 200_000, bytes.length - 200_000]]);
    }
    const headers = [...sharded.files].reduce((sum, [name, bytes]) => sum + (name.endsWith(".json") ? 0 : headerBytes(bytes)), 0);
    expect(it.sent()).toBe(sharded.sourceBytes + headers);
  });
});

test.each(["q8_0", "f16"] as const)(
  "the engine takes the file, and sees with it what float64 arithmetic sees: %s",
  async (type) => {
    const it = await visionTest();
    const path = await it.fetch({ type });
    const image = structuredImage(84, 56, 5);
    const [pixels, output] = [join(it.cacheDirectory, "rgb"), join(it.cacheDirectory, "embeddings")];
    await writeFile(pixels, image.rgb);
    const build = join(import.meta.dirname, "..", "..", "build");
    const args = [join(build, "Release"), path, shape.projectionLength, pixels, image.width, image.height, output].map(String);
    await promisify(execFile)(join(build, "tests", "vision-run"), args);
    const seen = new Float32Array(new Uint8Array(await readFile(output)).buffer);
    const expected = vision(await readGguf(path), image).flatMap((row) => Array.from(row));
    expect(seen).toHaveLength(expected.length);
    const largest = Math.max(...expected.map(Math.abs));
    expect(Math.max(...expected.map((value, index) => Math.abs(value - (seen[index] ?? Number.NaN)))) / largest).toBeLessThan(
      5e-2,
    );
  },
);

describe("a tower that was made", () => {
  test("is found the second time, offline, and when the hub is down; damaged, it is made again", async () => {
    const it = await visionTest();
    const path = await it.fetch();
    const sent = it.sent();
    expect(await it.fetch()).toBe(path);
    expect(it.notices.at(-1)).toBe("mmproj-jina-reranker-m0-Q8_0.gguf is in the cache already");
    expect(await it.fetch({}, { offline: true })).toBe(path);
    expect(await it.fetch({}, { endpoint: await nobody() })).toBe(path);
    expect(it.notices.at(-1)).toMatch(/could not be reached.*using the file in the cache$/);
    expect(it.sent()).toBe(sent);
    await truncate(path, 1000);
    expect(await it.failure({}, { offline: true })).toMatchObject({ code: "checksum_mismatch" });
    expect(await it.fetch()).toBe(path);
    expect((await readFile(path)).equals(single.mmproj("q8_0", repository))).toBe(true);
  });

  test("serves a new commit of the same weights: no tensor is read", async () => {
    const it = await visionTest();
    const first = await it.fetch();
    it.hub.push();
    const before = it.sent();
    const second = await it.fetch();
    expect(second).not.toBe(first);
    expect((await readFile(second)).equals(await readFile(first))).toBe(true);
    expect(it.sent() - before).toBe(headerBytes(file(single)));
  });

  test("is an error offline when there is none", async () => {
    const it = await visionTest();
    expect(await it.failure({}, { offline: true })).toMatchObject({ code: "not_cached" });
    expect(it.hub.requests).toEqual([]);
  });

  test("is found for a model: beside it, else in the cache, f16 before q8_0; without one the error says what to type", async () => {
    const it = await visionTest();
    const settings = readSettings(hubSettings, { hfHubCache: it.cacheDirectory, visionId: repository }, {});
    const folder = join(it.cacheDirectory, "..", "models");
    const model = join(folder, "model.gguf");
    await mkdir(folder);
    await expect(visionFile(model, settings)).rejects.toMatchObject({
      code: "model_not_found",
      message: expect.stringMatching(
        /IMAGES: .*neither beside .*model\.gguf nor in the cache.*run `jina-reranker download --vision`.*MMPROJ_PATH/,
      ),
    });
    const q8 = await it.fetch();
    expect(await visionFile(model, settings)).toBe(q8);
    const f16 = await it.fetch({ type: "f16" });
    expect(await visionFile(model, settings)).toBe(f16);
    await truncate(f16, 1000);
    await expect(visionFile(model, settings)).rejects.toMatchObject({
      code: "checksum_mismatch",
      message: expect.stringContaining("`jina-reranker download --vision` makes it again"),
    });
    const beside = join(folder, "mmproj-jina-reranker-m0-Q8_0.gguf");
    await writeFile(beside, "a tower");
    expect(await visionFile(model, settings)).toBe(beside);
  });
});

describe("a cut connection", () => {
  test("is resumed where it broke: every byte of a tensor is asked for once", async () => {
    const it = await visionTest();
    let cuts = 0;
    const cut = onTensors(file(single), { cutAfter: 400_001 });
    it.hub.fault = (request) => (cuts < 3 && cut(request) && ++cuts > 0 ? cut(request) : undefined);
    const path = await it.fetch();
    expect(cuts).toBe(3);
    expect((await readFile(path)).equals(single.mmproj("q8_0", repository))).toBe(true);
    const parts = rangesOf(it.hub, file(single)).slice(2);
    expect(parts).toHaveLength(4);
    const places = parts.map(([begin]) => begin);
    expect(places).toEqual(places.toSorted((left, right) => left - right));
    // What the double sent and the connection lost is sent again.
    expect(it.sent()).toBeLessThan(single.sourceBytes + 4 * 200_000);
  });

  test("that always breaks ends with one error; the next call continues", async () => {
    const it = await visionTest();
    const cut = onTensors(file(single), { cutAfter: 700_000 });
    let first = true;
    it.hub.fault = (request) => {
      if (!cut(request)) return undefined;
      if (!first) return { cutAfter: 0 };
      first = false;
      return { cutAfter: 700_000 };
    };
    expect(await it.failure()).toMatchObject({ code: "hub_unreachable" });
    expect((await it.blobs()).map((name) => name.replace(/^[0-9a-f]{64}/, ""))).toEqual([".partial", ".partial.record.json"]);
    const [begin = 0] = rangesOf(it.hub, file(single)).at(-1) ?? [];
    expect(begin).toBeGreaterThan(headerBytes(file(single)) + 200_000 + 300_000);
    it.hub.fault = () => undefined;
    const path = await it.fetch();
    // Less than a block of 32 numbers is lost, or the patch convolution, which is converted as a whole.
    expect(begin - (rangesOf(it.hub, file(single)).at(-1)?.[0] ?? 0)).toBeLessThan(64);
    expect((await readFile(path)).equals(single.mmproj("q8_0", repository))).toBe(true);
  });

  test.each([
    [
      "of which a byte has changed",
      async (path: string) => {
        const bytes = await readFile(path);
        bytes[5000] = (bytes[5000] ?? 0) ^ 1;
        await writeFile(path, bytes);
      },
    ],
    ["whose end is missing", async (path: string) => truncate(path, 5000)],
    [
      "whose end is zeros, as after a power cut",
      async (path: string) => {
        const { length } = await readFile(path);
        await truncate(path, length - 4096);
        await truncate(path, length);
      },
    ],
    ["whose record is damaged", async (path: string) => writeFile(`${path}.record.json`, "{")],
  ])("leaves a file %s: it is begun again, and right", async (_, damage) => {
    const it = await visionTest();
    it.hub.fault = onTensors(file(single), { cutAfter: 700_000 });
    const impatient = { attempts: 1, firstMs: 1, longestMs: 1, answerMs: 20_000 };
    await it.failure({ patience: impatient });
    const blobs = join(it.cacheDirectory, "models--someone--tower", "blobs");
    const partial = (await it.blobs()).find((name) => name.endsWith(".partial")) ?? "";
    await damage(join(blobs, partial));
    it.hub.fault = () => undefined;
    expect((await readFile(await it.fetch())).equals(single.mmproj("q8_0", repository))).toBe(true);
    expect(rangesOf(it.hub, file(single)).at(-1)?.[0]).toBe(headerBytes(file(single)) + 200_000);
  });
});

describe("a hub that answers wrongly", () => {
  test("without range requests is refused: the gigabytes are not read", async () => {
    const it = await visionTest();
    it.hub.fault = ({ host }) => (host === "storage" ? { ignoreRange: true } : undefined);
    const { code, message } = await it.failure();
    expect([code, message]).toEqual(["hub_unavailable", expect.stringContaining("does not answer range requests")]);
    it.hub.requests.length = 0;
    it.hub.fault = onTensors(file(single), { ignoreRange: true });
    expect((await it.failure()).code).toBe("hub_unavailable");
    expect(it.hub.requests.filter(({ host }) => host === "storage")).toHaveLength(3);
  });

  test("with another file between two parts is refused, and nothing of both is kept together", async () => {
    const it = await visionTest();
    const cut = onTensors(file(single), { cutAfter: 700_000 });
    const other = {
      respond: (response: import("node:http").ServerResponse) => {
        const [, begin, last] = /(\d+)-(\d+)/.exec(String(response.req.headers.range)) ?? [];
        response.writeHead(206, { etag: '"another"', "content-range": `bytes ${begin}-${last}/${file(single).length}` });
        response.end(Buffer.alloc(Number(last) + 1 - Number(begin)));
      },
    };
    let first = true;
    it.hub.fault = (request) => {
      if (!cut(request)) return undefined;
      if (!first) return other;
      first = false;
      return { cutAfter: 700_000 };
    };
    const { code, message } = await it.failure();
    expect([code, message]).toEqual([
      "checksum_mismatch",
      expect.stringMatching(/sends another file than before \(its ETag was "[0-9a-f]{64}", is "another"\)/),
    ]);
    it.hub.fault = () => undefined;
    expect((await readFile(await it.fetch())).equals(single.mmproj("q8_0", repository))).toBe(true);
  });

  const answers: Record<string, [Fault, string, RegExp]> = {
    "404": [{ status: 404 }, "hub_unavailable", /answered 404/],
    "416": [{ status: 416 }, "hub_unavailable", /answered 416/],
    "another range": [
      { respond: (response) => void response.writeHead(206, { "content-range": "bytes 0-7/100" }).end("12345678") },
      "checksum_mismatch",
      /sends bytes 0-7\/100, expected bytes \d+-\d+\/\d+/,
    ],
    "a range without a place": [
      { respond: (response) => void response.writeHead(206).end("12345678") },
      "checksum_mismatch",
      /sends an unnamed range/,
    ],
    "a web page": [
      { respond: (response) => void response.writeHead(200, { "content-type": "text/html" }).end("<html>") },
      "hub_unavailable",
      /a web page in place of model\.safetensors/,
    ],
  };
  test.each(Object.entries(answers))("%s for tensors is one error", async (_, [fault, code, message]) => {
    const it = await visionTest();
    it.hub.fault = onTensors(file(single), fault);
    expect(await it.failure()).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test("more bytes than were asked for", async () => {
    const it = await visionTest();
    it.hub.fault = onTensors(file(single), {
      respond: async (response) => {
        const [, begin, last] = /(\d+)-(\d+)/.exec(String(response.req.headers.range)) ?? [];
        response.writeHead(206, { "content-range": `bytes ${begin}-${last}/${file(single).length}` });
        const closed = once(response, "close");
        while (!response.destroyed)
          await Promise.race([new Promise((done) => response.write(Buffer.alloc(65_536), done)), closed]);
      },
    });
    expect(await it.failure()).toMatchObject({ code: "checksum_mismatch", message: expect.stringContaining("sends more than") });
  });

  test("a configuration that does not have its checksum", async () => {
    const it = await visionTest();
    it.hub.fault = ({ path }) => (path.endsWith("/config.json") ? { corrupt: true } : undefined);
    expect(await it.failure()).toMatchObject({ code: "checksum_mismatch", message: expect.stringContaining("config.json") });
  });
});

describe("a repository that is not the tower's", () => {
  const changes: Record<string, [string, Buffer, RegExp]> = {
    "of another model": ["config.json", json({ ...config(shape), model_type: "qwen2_5_vl" }), /config\.json: .*model_type/],
    "of another activation": [
      "config.json",
      json({ model_type: "qwen2_vl", vision_config: { hidden_act: "silu" } }),
      /config\.json: .*hidden_act/,
    ],
    "with patches of other sizes": [
      "preprocessor_config.json",
      json({ image_mean: mean, image_std: std, patch_size: 16 }),
      /preprocessor_config\.json: .*patch_size/,
    ],
    "that divides colours by 0": [
      "preprocessor_config.json",
      json({ image_mean: mean, image_std: [0, 1, 1] }),
      /preprocessor_config\.json: .*image_std/,
    ],
    "without the mean": ["preprocessor_config.json", json({ image_std: std }), /preprocessor_config\.json: .*image_mean/],
    "with a configuration of megabytes": ["config.json", Buffer.alloc(2 ** 20 + 1, " "), /config\.json has 1048577 bytes/],
  };
  test.each(Object.entries(changes))("%s is refused before a tensor is read", async (_, [name, bytes, message]) => {
    const it = await visionTest();
    it.put([[name, bytes]]);
    expect(await it.failure()).toMatchObject({ code: "model_invalid", message: expect.stringMatching(message) });
    expect(it.sent()).toBeLessThanOrEqual(headerBytes(file(single)));
  });

  test("with shards that are paths is refused", async () => {
    const it = await visionTest(sharded);
    it.put([["model.safetensors.index.json", json({ weight_map: { "visual.a": "../../x.safetensors" } })]]);
    expect(await it.failure()).toMatchObject({ code: "model_invalid", message: expect.stringContaining("weight_map") });
  });

  test("without safetensors, or without a shard, says what it has", async () => {
    const it = await visionTest(sharded);
    it.put([["model.safetensors.index.json", json({ weight_map: { "visual.a": "absent.safetensors" } })]]);
    expect(await it.failure()).toMatchObject({
      code: "hub_not_found",
      message: expect.stringMatching(/has no absent\.safetensors at main; it has model-00001-of-00003\.safetensors/),
    });
  });

  test("with a number that is not finite names the tensor", async () => {
    const bytes = Buffer.from(file(single));
    // The last number of the tower: a language model's tensor of 200,000 bytes lies behind it.
    bytes.writeUInt16LE(0x7f80, bytes.length - 200_002);
    const it = await visionTest();
    it.put([["model.safetensors", bytes]]);
    expect(await it.failure()).toMatchObject({
      code: "model_invalid",
      message: "tensor visual.patch_embed.proj.weight holds a number that is not finite",
    });
  });

  test("under the official name must have the published lengths, and the licence is said where it is fetched", async () => {
    const it = await visionTest();
    it.put(single.files, officialVisionRepository);
    const options = { type: "q8_0", onTransfer: () => {}, logger: { info: () => {}, warn: () => {} } } as const;
    const environment = { endpoint: it.hub.url, authorization: undefined, cacheDirectory: it.cacheDirectory, offline: false };
    await expect(fetchVision(environment, officialVisionRepository, options)).rejects.toMatchObject({
      code: "model_invalid",
      message: expect.stringContaining("this is not the published model"),
    });
  });
});

describe("IMAGES=true", () => {
  const events = { onTransfer: () => {}, logger: { info: () => {}, warn: () => {} } };
  const hub = {
    kind: "hub",
    reference: { repository: "a/model", file: "a.gguf", revision: "main", headRepository: undefined },
  } as const;
  const tower = async (source: ModelSource, given: object) => {
    const it = await visionTest();
    const cache = { hfHubCache: it.cacheDirectory, hfEndpoint: it.hub.url, visionId: repository };
    const settings = { ...readSettings(hubSettings, { ...cache, ...given }, {}), images: true, mmprojPath: undefined };
    return towerFile(source, join(it.cacheDirectory, "model.gguf"), settings, events);
  };

  test("makes the missing tower of a model on the hub", async () => {
    const path = await tower(hub, {});
    expect((await readFile(path ?? "")).equals(single.mmproj("q8_0", repository))).toBe(true);
  });

  test.each([
    ["for a model in a local file", { kind: "file", path: "model.gguf" }, {}],
    ["offline", hub, { hfHubOffline: "true" }],
  ] as const)("says what to type %s", async (_, source, given) => {
    await expect(tower(source, given)).rejects.toMatchObject({
      code: "model_not_found",
      message: expect.stringContaining("run `jina-reranker download --vision`"),
    });
  });
});

describe("download --vision", () => {
  const large = randomTower({ layers: 2, embeddingLength: 384, headLength: 32, feedForwardLength: 768, projectionLength: 96 }, 1);

  async function machine(tower = single) {
    const it = await visionTest(tower);
    const variables = { HF_ENDPOINT: it.hub.url, HF_HUB_CACHE: it.cacheDirectory, VISION_ID: repository };
    return { ...it, variables };
  }

  test("prints the path of the file; the second time it says that it is there", async () => {
    const { variables } = await machine();
    const first = await runCommand(["download", "--vision"], { variables });
    expect([first.code, first.stderr]).toEqual([0, expect.stringContaining("the licence of the model is on its page")]);
    expect((await readFile(first.stdout.trim())).equals(single.mmproj("q8_0", repository))).toBe(true);
    const second = await runCommand(["download", "--vision"], { variables });
    expect(second).toMatchObject({ code: 0, stdout: first.stdout, stderr: expect.stringContaining("is in the cache already") });
  });

  test("continues what a killed process left, and the file is right", async () => {
    const it = await machine(large);
    // The record is written every 4 MiB.
    it.hub.fault = onTensors(file(large), { stallAfter: 6_500_000 });
    const killed = startCommand(["download", "--vision", "--vision-type", "f16"], it.variables);
    await until(async () => (await it.blobs()).some((name) => name.endsWith(".record.json")));
    killed.child.kill("SIGKILL");
    await killed.ended;
    it.hub.fault = () => undefined;
    const { code, stdout } = await runCommand(["download", "--vision", "--vision-type", "f16"], { variables: it.variables });
    expect(code).toBe(0);
    expect((await readFile(stdout.trim())).equals(large.mmproj("f16", repository))).toBe(true);
    const begin = rangesOf(it.hub, file(large)).at(-1)?.[0] ?? 0;
    expect(begin).toBeGreaterThan(headerBytes(file(large)) + 200_000 + 3_000_000);
  });

  test("is refused beside a model, and a type without it", async () => {
    const beside = await runCommand(["download", "--vision", "someone/model"]);
    expect([beside.code, beside.stderr]).toEqual([2, expect.stringContaining("--vision-id names the repository")]);
    const alone = await runCommand(["download", "--vision-type", "f16"]);
    expect([alone.code, alone.stderr]).toEqual([2, expect.stringContaining("--vision-type: only with --vision")]);
    const unknown = await runCommand(["download", "--vision", "--vision-type", "q4_k_m"]);
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining("q8_0, f16")]);
  });

  test("without a network says how to go on", async () => {
    const { variables } = await machine();
    const { code, stderr } = await runCommand(["download", "--vision"], { variables: { ...variables, HF_HUB_OFFLINE: "1" } });
    expect(code).toBe(1);
    for (const word of ["mmproj-jina-reranker-m0-Q8_0.gguf", "HF_HUB_OFFLINE", "MMPROJ_PATH", "HF_ENDPOINT"])
      expect(stderr).toContain(word);
  });
});
