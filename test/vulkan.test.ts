/**
 * The Vulkan backend against the CPU's, on whatever device there is; a software one is enough, so this runs without a GPU
 * (Debian: mesa-vulkan-drivers). Needs the backend: node native/prebuild/build.mjs linux-x64-vulkan.
 */

import { beforeAll, describe, expect, it } from "vitest";
import { native } from "../src/native.js";
import { Reranker } from "../src/reranker.js";
import { vulkanLibrary } from "./support/installation.js";
import { randomModel, wideShape } from "./support/random-models.js";

const missing =
  vulkanLibrary === undefined
    ? "the Vulkan backend is not built"
    : native.whyNotLoadable("libvulkan.so.1") && "no libvulkan.so.1";

const query = "which of them is it about?";
const documents = ["a short one", "a document of a few more words than the first ".repeat(6), "Straße, naïve, 東京 ".repeat(20)];

describe.skipIf(missing !== undefined)(`the Vulkan backend${missing ? `, not tested: ${missing}` : ""}`, () => {
  beforeAll(() => {
    // Software devices are used only when named.
    process.env.GGML_VK_VISIBLE_DEVICES ??= "0";
    native.loadBackend([vulkanLibrary ?? ""]);
  });

  it.each([
    { precision: "f32", tolerance: 1e-2 },
    { precision: "f16", tolerance: 5e-2 },
  ] as const)("gives the CPU's logits within $tolerance with $precision weights", async ({ precision, tolerance }) => {
    const files = await randomModel({ ...wideShape, layers: 4 }, precision);
    const options = { ...files, contextSize: 1024, batchTokens: 256, threads: 1, documentCacheMb: 0 };
    const logits = async (backend: "cpu" | "vulkan") => {
      await using reranker = await Reranker.load({ ...options, backend });
      expect(reranker.info.device).toMatch(backend === "cpu" ? /^CPU/ : /^Vulkan/);
      return [...(await reranker.score({ query, documents })).logits];
    };
    const [cpu, vulkan] = [await logits("cpu"), await logits("vulkan")];
    const largest = Math.max(...cpu.map((value, index) => Math.abs(value - (vulkan[index] ?? Number.NaN))));
    // The logits themselves are of the order of 1: equal ones would say nothing.
    expect(Math.max(...cpu) - Math.min(...cpu)).toBeGreaterThan(2 * tolerance);
    expect(largest).toBeLessThan(tolerance);
  });
});
