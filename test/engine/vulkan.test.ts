/**
 * The Vulkan backend against the CPU's, on any device. A software device is enough, so this runs without a GPU (Debian:
 * mesa-vulkan-drivers). It needs the backend: node native/prebuild/build.mjs linux-x64-vulkan.
 */

import { beforeAll, describe, expect, it } from "vitest";
import { readScoreHead } from "../../src/model/head.js";
import { native } from "../../src/native/index.js";
import { choosePrecision } from "../../src/precision/precision.js";
import { Reranker } from "../../src/reranker.js";
import { resolveLoadOptions } from "../../src/settings/load-options.js";
import type { LoadActivity } from "../../src/types.js";
import { structuredImage } from "../support/images.js";
import { randomMmproj, randomModel, wideShape } from "../support/random-models.js";
import { noVulkan, softwareDevice, vulkanLibrary } from "../support/vulkan.js";

const query = "which of them is it about?";
const documents = ["a short one", "a document of a few more words than the first ".repeat(6), "Straße, naïve, 東京 ".repeat(20)];

describe.skipIf(noVulkan)(`the Vulkan backend${noVulkan ? `, not tested: ${noVulkan}` : ""}`, () => {
  beforeAll(() => {
    Object.assign(process.env, softwareDevice);
    native.loadBackend([vulkanLibrary ?? ""]);
  });

  /** On a CPU layer the engine's own operations run, on a GPU layer ggml's. */
  it.each([
    { precision: "f32", gpuLayers: 999, tolerance: 1e-2 },
    { precision: "f16", gpuLayers: 999, tolerance: 5e-2 },
    { precision: "f32", gpuLayers: 3, tolerance: 1e-2 },
  ] as const)(
    "gives the CPU's logits within $tolerance with $precision weights and $gpuLayers layers on the device",
    async ({ precision, gpuLayers, tolerance }) => {
      const files = await randomModel({ ...wideShape, layers: 4 }, precision);
      const options = { ...files, contextSize: 1024, batchTokens: 256, threads: 1, scoreCacheMb: 0 };
      const logits = async (backend: "cpu" | "vulkan") => {
        await using reranker = await Reranker.load({ ...options, backend, gpuLayers: backend === "cpu" ? 0 : gpuLayers });
        expect(reranker.info.device).toMatch(backend === "cpu" ? /^CPU/ : /^Vulkan/);
        return [...(await reranker.score({ query, documents })).logits];
      };
      const [cpu, vulkan] = [await logits("cpu"), await logits("vulkan")];
      const largest = Math.max(...cpu.map((value, index) => Math.abs(value - (vulkan[index] ?? Number.NaN))));
      // The logits must differ: equal ones would prove nothing.
      expect(Math.max(...cpu) - Math.min(...cpu)).toBeGreaterThan(2 * tolerance);
      expect(largest).toBeLessThan(tolerance);
    },
  );

  it("gives the CPU's logits for images within 2e-2", async () => {
    const { modelPath, headPath } = await randomModel({ ...wideShape, layers: 4 }, "f32");
    const mmprojPath = await randomMmproj({
      ...{ layers: 2, embeddingLength: 160, headLength: 80, feedForwardLength: 320 },
      ...{ projectionLength: wideShape.embeddingLength, type: "f16", seed: 7 },
    });
    const image = (width: number, height: number, seed: number) => ({
      ...structuredImage(width, height, seed),
      hash: `${width}x${height}, seed ${seed}`,
    });
    const images = [image(28 * 7, 28 * 3, 1), image(28 * 3, 28 * 8, 2), image(28 * 6, 28 * 6, 3)];
    const logits = async (backend: "cpu" | "vulkan") => {
      const engine = await native.Engine.load({
        ...{ modelPath, head: await readScoreHead(headPath), contextSize: 1024, batchTokens: 256, threads: 1, backend },
        ...{ gpuLayers: backend === "cpu" ? 0 : 999, reproducible: "auto", kvType: "f16", maxQueuedPairs: 100 },
        ...{ documentCacheBytes: 0, scoreCacheBytes: 0, deduplicate: true, vision: { mmprojPath, maxTokens: 64, cacheBytes: 0 } },
      });
      expect(engine.info.device).toMatch(backend === "cpu" ? /^CPU/ : /^Vulkan/);
      const results = [
        await engine.submit({ query, documents: [...images, ...documents] }).result,
        await engine.submit({ query: images[0] ?? query, documents: [...images, ...documents] }).result,
      ];
      await engine.close();
      return results.flatMap((result) => [...result.logits]);
    };
    const [cpu, vulkan] = [await logits("cpu"), await logits("vulkan")];
    const differences = cpu.map((value, index) => Math.abs(value - (vulkan[index] ?? Number.NaN)));
    expect(Math.max(...differences)).toBeLessThan(2e-2);
    expect(Math.max(...cpu) - Math.min(...cpu)).toBeGreaterThan(4e-2);
  });

  it("gives the same logits from a document's pages that it kept as from the whole document", async () => {
    const files = await randomModel({ ...wideShape, layers: 4 }, "f32");
    await using reranker = await Reranker.load({
      ...files,
      ...{ backend: "vulkan", contextSize: 1024, batchTokens: 256, threads: 1, scoreCacheMb: 0, documentCacheMb: 64 },
    });
    const whole = await reranker.score({ query, documents });
    const before = reranker.stats();
    expect(before.cacheEntries).toBeGreaterThan(0);
    const kept = await reranker.score({ query, documents });
    // The first document is not kept: it is shorter than a page.
    expect(reranker.stats().pairsWarm - before.pairsWarm).toBe(documents.length - 1);
    // The tolerance of scores on GPUs, with F32 or F16 weights.
    const scores = [...whole.scores].map((score, index) => Math.abs(score - (kept.scores[index] ?? Number.NaN)));
    expect(Math.max(...scores)).toBeLessThan(1e-3);
    expect(Math.max(...whole.logits) - Math.min(...whole.logits)).toBeGreaterThan(2e-2);
  });

  it("gets F16 weights with PRECISION=auto, without timing", async () => {
    const files = await randomModel({ ...wideShape, layers: 4 }, "f32");
    const { headPath, maxDocuments, precision, ...options } = resolveLoadOptions({ ...files, backend: "vulkan" });
    const activities = new Set<LoadActivity>();
    const events = { onProgress: (_: number, activity: LoadActivity) => activities.add(activity), logger: console };
    const choice = await choosePrecision({ ...options, head: await readScoreHead(headPath) }, "auto", events, {
      worthwhileBytes: 0,
    });
    expect(choice).toMatchObject({ precision: "f16", reason: expect.stringMatching(/^Vulkan0: what Vulkan is known/) });
    expect(activities).not.toContain("timing");
  });

  it("refuses exact scores", async () => {
    const files = await randomModel({ ...wideShape, layers: 4 }, "f32");
    await expect(Reranker.load({ ...files, backend: "vulkan", reproducible: "exact" })).rejects.toMatchObject({
      code: "invalid_option",
      message: expect.stringMatching(/^reproducible: "exact" is not possible on Vulkan0/),
    });
  });
});
