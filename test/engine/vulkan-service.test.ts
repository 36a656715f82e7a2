/**
 * The service on the Vulkan backend's software device: what a client that leaves, a known document, a device that is lost, as by a
 * reset, and too little memory do. A layer between Vulkan's loader and the driver makes the failures. The service's own tests run on
 * the device at night: `node test/run.mjs vulkan`.
 */

import { rmSync, statSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningCommand } from "../support/command.js";
import { post } from "../support/demo-service.js";
import { addonPackage, Installation } from "../support/installation.js";
import { type ModelFiles, randomModel, wideShape } from "../support/random-models.js";
import { text } from "../support/texts.js";
import { until } from "../support/until.js";
import { failingDevice, noVulkan, vulkanLibrary } from "../support/vulkan.js";

const MiB = 2 ** 20;
const query = "which of them is it about?";
const few = Array.from({ length: 4 }, (_, seed) => text(40, seed));
const many = Array.from({ length: 100 }, (_, seed) => text(400, seed));

interface Answer {
  readonly results: readonly { readonly index: number; readonly relevance_score: number }[];
}

let installation: Installation;
let model: ModelFiles;
let layer: Readonly<Record<string, string>>;
let lostFile: string;

beforeAll(async () => {
  if (noVulkan) return;
  installation = await Installation.create();
  await installation.installAddon();
  await installation.install(`${addonPackage}-vulkan`, [vulkanLibrary ?? ""]);
  layer = failingDevice(installation.scratch("layer"));
  lostFile = installation.scratch("lost");
  model = await randomModel({ ...wideShape, layers: 1 }, "f16");
});

afterAll(() => installation?.[Symbol.asyncDispose]());

function serve(variables: Readonly<Record<string, string>> = {}): RunningCommand {
  rmSync(lostFile, { force: true });
  return installation.start(
    ["serve", "--host", "127.0.0.1", "--port", "0", "--model", model.modelPath, "--head", model.headPath],
    {
      ...layer,
      ...{ BACKEND: "vulkan", CTX_SIZE: "1024", BATCH_TOKENS: "256", SCORE_CACHE_MB: "0", DOCUMENT_CACHE_MB: "16" },
      // The first batch may compile the device's kernels.
      REQUEST_TIMEOUT_MS: "600000",
      ...variables,
    },
  );
}

async function ready(command: RunningCommand): Promise<string> {
  const { port } = JSON.parse(await command.line((line) => line.includes('"msg":"ready"')));
  return `http://127.0.0.1:${port}`;
}

const asked = (url: string, documents: readonly string[], signal?: AbortSignal) =>
  post(`${url}/rerank`, { query, documents }, signal && { signal });

/** ggml's backend writes to standard error itself. */
const lastLine = (stderr: string) => stderr.trimEnd().split("\n").at(-1);

async function stopped(command: RunningCommand): Promise<void> {
  command.child.kill("SIGTERM");
  expect(await command.ended).toMatchObject({ code: 0, signal: null });
}

/** The sample of one of the service's metrics. */
async function metric(url: string, name: string): Promise<number> {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split("\n");
  return Number(
    lines
      .find((line) => line.startsWith(`${name} `))
      ?.split(" ")
      .at(-1),
  );
}

describe.skipIf(noVulkan)(`the service on a device${noVulkan ? `, not tested: ${noVulkan}` : ""}`, () => {
  it("reads known documents from the device's memory, and drops the work of a client that left", async () => {
    // More than the device takes in one tensor: 128 MiB.
    const command = serve({ DOCUMENT_CACHE_MB: "1024" });
    const url = await ready(command);
    const cold: Answer = JSON.parse(await (await asked(url, few)).text());
    expect(await metric(url, "rerank_document_cache_hits_total")).toBe(0);
    const warm: Answer = JSON.parse(await (await asked(url, few)).text());
    expect(await metric(url, "rerank_document_cache_hits_total")).toBe(few.length);
    const scores = (answer: Answer) =>
      [...answer.results].sort((left, right) => left.index - right.index).map(({ relevance_score }) => relevance_score);
    // The tolerance of scores on GPUs, with F32 or F16 weights.
    for (const [index, score] of scores(warm).entries()) expect(Math.abs(score - (scores(cold)[index] ?? 2))).toBeLessThan(1e-3);

    const client = new AbortController();
    const left = asked(url, many, client.signal).catch((error: Error) => error.name);
    await until(async () => (await metric(url, "rerank_queue_pairs")) > 0);
    client.abort();
    expect(await left).toBe("AbortError");
    await until(async () => (await metric(url, "rerank_queue_pairs")) === 0);
    expect(await metric(url, "rerank_cancelled_pairs_total")).toBeGreaterThan(0);
    expect((await asked(url, few)).status).toBe(200);
    await stopped(command);
  });
});

describe.skipIf(noVulkan)(`a device that is lost${noVulkan ? `, not tested: ${noVulkan}` : ""}`, () => {
  it("fails what runs and what comes with engine_error, /health says so, and the process lives and ends with 0", async () => {
    const command = serve({ FAILING_DEVICE_LOST: lostFile });
    const url = await ready(command);
    expect((await asked(url, few)).status).toBe(200);

    const running = asked(
      url,
      Array.from({ length: 100 }, (_, seed) => text(400, seed)),
    );
    await until(async () => (await metric(url, "rerank_queue_pairs")) > 0);
    writeFileSync(lostFile, "");
    const answers = [await running, await asked(url, few), await asked(url, ["another"]), await asked(url, few)];
    for (const answer of answers) {
      expect(answer.status).toBe(500);
      expect(await answer.json()).toMatchObject({
        error: { code: "engine_error", message: expect.stringMatching(/^the device failed: .*DeviceLost/) },
      });
    }

    const health = await fetch(`${url}/health`);
    expect([health.status, await health.json()]).toMatchObject([503, { status: "failed" }]);
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
    await stopped(command);
  });

  it("fails the documents whose state cannot be copied to DOCUMENT_CACHE_DIR, and the process lives", async () => {
    const states = installation.scratch("states");
    const command = serve({ FAILING_DEVICE_LOST: lostFile, DOCUMENT_CACHE_DIR: states });
    const url = await ready(command);
    const kept = await post(`${url}/v1/documents`, { documents: few });
    expect(kept.status).toBe(200);
    // Known in the device's memory, and to be written again.
    rmSync(states, { recursive: true });
    writeFileSync(lostFile, "");
    for (const answer of [await post(`${url}/v1/documents`, { documents: few }), await asked(url, few)]) {
      expect(answer.status).toBe(500);
      expect(await answer.json()).toMatchObject({
        error: { code: "engine_error", message: expect.stringMatching(/^the device failed: .*DeviceLost/) },
      });
    }
    await stopped(command);
  });

  it("is taken out where another can do its work, and no later request is lost", async () => {
    const command = serve({ FAILING_DEVICE_LOST: lostFile, BACKEND: "auto", GPUS: "0,cpu" });
    const url = await ready(command);
    writeFileSync(lostFile, "");
    for (let request = 0; request < 4; request++) expect((await asked(url, few)).status).toBe(200);
    const health = await fetch(`${url}/health`);
    expect([health.status, await health.json()]).toMatchObject([
      200,
      {
        devices: [
          { device: "Vulkan0", status: "failed" },
          { device: "CPU", status: "ok" },
        ],
      },
    ]);
    await stopped(command);
  });

  /** Of an allocation that failed ggml tells the reason on standard error only. */
  it("while a model is being loaded, ends the start with 1 and what could not be done", async () => {
    const command = serve({ FAILING_DEVICE_LOST: lostFile });
    writeFileSync(lostFile, "");
    const { code, stderr } = await command.ended;
    expect(code).toBe(1);
    expect(lastLine(stderr)).toMatch(/^jina-reranker: .* on Vulkan0/);
  });
});

describe.skipIf(noVulkan)("a device with too little memory", () => {
  it.each([1, 14, 16, 24, 32, 48, 256])("of %i MiB ends the start with 1 and what to lower, or suffices", async (size) => {
    const command = serve({ FAILING_DEVICE_MEMORY: String(size * MiB) });
    const outcome = await Promise.race([command.ended, ready(command)]);
    const suffices = typeof outcome === "string";
    if (size * MiB < statSync(model.modelPath).size) expect(suffices).toBe(false);
    if (size === 256) expect(suffices).toBe(true);
    if (suffices) {
      expect((await asked(outcome, few)).status).toBe(200);
      await stopped(command);
    } else {
      expect(outcome).toMatchObject({ code: 1, signal: null });
      expect(lastLine(outcome.stderr)).toMatch(/^jina-reranker: (.*: )?no memory /);
    }
  });
});
