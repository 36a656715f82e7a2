/** What is told of the memory that loading takes, against what it takes: the same buffers, to the byte. */

import { beforeAll, describe, expect, it } from "vitest";
import type { EngineOptions } from "../../binding.js";
import { estimate } from "../../src/estimate.js";
import { readScoreHead } from "../../src/model/head.js";
import { native } from "../../src/native/index.js";
import { Reranker } from "../../src/reranker.js";
import { randomMmproj, randomModel, wideShape } from "../support/random-models.js";
import { noVulkan, softwareDevice, vulkanLibrary } from "../support/vulkan.js";

type Options = Omit<EngineOptions, "head" | "modelPath">;

const ofCpu: Options = {
  ...{ contextSize: 1024, batchTokens: 0, gpuLayers: 0, backend: "cpu", threads: 1, reproducible: "auto", kvType: "f16" },
  ...{ maxQueuedPairs: 100, documentCacheBytes: 0, scoreCacheBytes: 0, deduplicate: true },
};

const shape = { ...wideShape, layers: 4 };

async function tower(): Promise<NonNullable<EngineOptions["vision"]>> {
  const mmprojPath = await randomMmproj({
    ...{ layers: 2, embeddingLength: 160, headLength: 80, feedForwardLength: 320 },
    ...{ projectionLength: wideShape.embeddingLength, type: "f16", seed: 7 },
  });
  return { mmprojPath, maxTokens: 256, cacheBytes: 0 };
}

/** The estimate, and what loading with the same options took. */
async function both(precision: "f32" | "q4_k_m", options: Options) {
  const { modelPath, headPath } = await randomModel(shape, precision);
  const byGpuLayers = await native.estimate({ ...options, modelPath });
  const engine = await native.Engine.load({ ...options, modelPath, head: await readScoreHead(headPath) });
  await engine.close();
  return { byGpuLayers, taken: engine.info.memory };
}

const cases: readonly { name: string; precision: "f32" | "q4_k_m"; change: Partial<Options> }[] = [
  { name: "F32 weights", precision: "f32", change: {} },
  { name: "Q4_K_M weights", precision: "q4_k_m", change: {} },
  { name: "a document cache", precision: "f32", change: { documentCacheBytes: 2 ** 26 } },
  { name: "a document cache in 8 bits", precision: "q4_k_m", change: { documentCacheBytes: 2 ** 26, kvType: "q8_0" } },
  { name: "large batches", precision: "q4_k_m", change: { batchTokens: 2048 } },
  { name: "small batches of long pairs", precision: "f32", change: { batchTokens: 64, contextSize: 8192 } },
];

describe("on the CPU, the memory that loading takes is told before", () => {
  it.each(cases)("with $name", async ({ precision, change }) => {
    const { byGpuLayers, taken } = await both(precision, { ...ofCpu, ...change });
    expect(byGpuLayers).toEqual([taken]);
  });

  it("with a vision tower", async () => {
    const { byGpuLayers, taken } = await both("q4_k_m", { ...ofCpu, vision: await tower() });
    expect(byGpuLayers).toEqual([taken]);
  });

  it("with weights that are yet to be converted", async () => {
    const { headPath, modelPath } = await randomModel(shape, "f16");
    const engine = await native.Engine.load({ ...ofCpu, modelPath, head: await readScoreHead(headPath) });
    await engine.close();
    const source = await randomModel(shape, "f32");
    const [converted] = await native.estimate({ ...ofCpu, modelPath: source.modelPath }, "f16");
    // The embeddings, which are not converted with the others, are F32 in one file and F16 in the other.
    const embeddings = native.inspect(source.modelPath).embeddingBytes / 2;
    const [taken] = engine.info.memory;
    expect(converted).toEqual([{ ...taken, weights: (taken?.weights ?? 0) + embeddings }]);
  });
});

describe("the library", () => {
  it("tells what loading takes, and whether it fits", async () => {
    const files = await randomModel(shape, "f32");
    const options = { ...files, backend: "cpu", contextSize: 1024, documentCacheMb: 16, threads: 1 } as const;
    const { precision, memory, freeBytes, fit } = await estimate(options);
    await using reranker = await Reranker.load(options);
    expect(memory).toEqual(reranker.info.memory);
    expect({ precision, fit }).toEqual({ precision: "file", fit: { fits: "whole" } });
    expect(freeBytes).toHaveLength(1);
    expect(freeBytes[0]).toBeGreaterThan(2 ** 30);
  });

  it("adds up engines that are loaded side by side", async () => {
    const files = await randomModel(shape, "f32");
    const options = { ...files, gpus: ["cpu", "cpu"], contextSize: 1024, documentCacheMb: 16, threads: 1 } as const;
    const { memory } = await estimate(options);
    await using reranker = await Reranker.load(options);
    expect(memory).toEqual(reranker.info.memory);
    const [alone] = (await estimate({ ...options, gpus: ["cpu"] })).memory;
    expect(memory[0]?.weights).toBe(2 * (alone?.weights ?? 0));
    // They divide the document cache.
    expect(memory[0]?.pages).toBeLessThan(2 * (alone?.pages ?? 0));
  });

  it("names the weights that a precision asks for", async () => {
    const files = await randomModel(shape, "f32");
    const options = { ...files, backend: "cpu", contextSize: 1024, documentCacheMb: 0, threads: 1, precision: "q8_0" } as const;
    const { precision, memory } = await estimate(options);
    await using reranker = await Reranker.load(options);
    expect(precision).toBe("q8_0");
    expect(memory).toEqual(reranker.info.memory);
  });

  it("refuses what loading refuses", async () => {
    await expect(estimate({ modelPath: "/nowhere.gguf" })).rejects.toMatchObject({ code: "model_not_found" });
    const { modelPath } = await randomModel(shape, "f32");
    await expect(estimate({ modelPath, contextSize: 3 })).rejects.toMatchObject({ code: "invalid_option" });
    const wrong = Reflect.apply(native.estimate, undefined, [{ ...ofCpu, modelPath }, "q4_k_m"]);
    await expect(wrong).rejects.toMatchObject({
      code: "invalid_argument",
      message: 'matrixType: expected one of "f16", "bf16", "q8_0", got "q4_k_m"',
    });
  });

  // On a CPU the system promises memory that it may not have; so much it does not.
  it("says with the error of missing memory what is needed and what is free", async () => {
    const files = await randomModel(shape, "f32");
    await expect(Reranker.load({ ...files, backend: "cpu", documentCacheMb: 2 ** 24 })).rejects.toMatchObject({
      code: "out_of_memory",
      message: expect.stringMatching(/^no memory on CPU .*Before loading: it does not fit: .* are needed on CPU.* are free/),
    });
  });
});

/** Mesa's software device, as in vulkan.test.ts. */
describe.skipIf(noVulkan)(`on a Vulkan device${noVulkan ? `, not tested: ${noVulkan}` : ""}`, () => {
  const ofGpu: Options = { ...ofCpu, backend: "vulkan", documentCacheBytes: 2 ** 24 };

  beforeAll(() => {
    Object.assign(process.env, softwareDevice);
    native.loadBackend([vulkanLibrary ?? ""]);
  });

  it.each([1, 3, 999])("the memory that loading takes with N_GPU_LAYERS=%d is told before", async (gpuLayers) => {
    const { byGpuLayers, taken } = await both("f32", { ...ofGpu, gpuLayers });
    expect(taken.map(({ device }) => device)).toEqual(["Vulkan0", "CPU"]);
    expect(byGpuLayers).toHaveLength(Math.min(gpuLayers, shape.layers + 1) + 1);
    expect(byGpuLayers.at(-1)).toEqual(taken);
  });

  it("each number of layers is told as if it had been asked for", async () => {
    const { modelPath } = await randomModel(shape, "q4_k_m");
    const all = await native.estimate({ ...ofGpu, modelPath, gpuLayers: 999 });
    for (const gpuLayers of [1, 2, 4]) {
      expect(all.slice(0, gpuLayers + 1)).toEqual(await native.estimate({ ...ofGpu, modelPath, gpuLayers }));
    }
    const onGpu = all.map((memory) => memory.find(({ device }) => device === "Vulkan0")?.weights ?? 0);
    expect(onGpu).toEqual(onGpu.toSorted((a, b) => a - b));
    expect(new Set(onGpu).size).toBe(shape.layers + 2);
  });

  it("of what does not fit, the layers that fit are told", async () => {
    const layers = 12;
    const files = await randomModel({ ...wideShape, layers }, "q4_k_m");
    const { memoryFree } = native.backends().devices.find(({ name }) => name === "Vulkan0") ?? { memoryFree: 0 };
    // KV pages that would fill the device, 512 bytes a token and layer; one too large to be filled has room for all.
    const contextSize = Math.min(2 ** 20, Math.ceil(memoryFree / (512 * layers)));
    const options = { ...files, backend: "vulkan", contextSize, batchTokens: 64, documentCacheMb: 0, precision: "file" } as const;
    const { fit } = await estimate(options);
    const { gpuLayers } = { gpuLayers: 999, ...fit };
    expect((await estimate({ ...options, gpuLayers })).fit).toEqual({ fits: "whole" });
    if (fit.fits === "layers") expect((await estimate({ ...options, gpuLayers: gpuLayers + 1 })).fit.fits).toBe("layers");
  });

  it("pages that the device cannot take in one piece are an error, and the process lives", async () => {
    const files = await randomModel({ ...wideShape, layers: 1 }, "f32");
    const options = { ...files, backend: "vulkan", contextSize: 2 ** 20, batchTokens: 64, documentCacheMb: 0 } as const;
    const refusal = {
      code: "out_of_memory",
      message: expect.stringMatching(/^no memory on Vulkan0 for the KV state .*CTX_SIZE/),
    };
    // Mesa's software device takes 128 MiB, half of what K needs.
    await expect(estimate(options)).rejects.toMatchObject(refusal);
    await expect(Reranker.load(options)).rejects.toMatchObject(refusal);
  });

  it("with a vision tower, which computes there too", async () => {
    const { byGpuLayers, taken } = await both("f32", { ...ofGpu, gpuLayers: 999, vision: await tower() });
    expect(taken[0]).toMatchObject({ device: "Vulkan0", vision: expect.any(Number) });
    expect(taken[0]?.vision).toBeGreaterThan(0);
    expect(taken[1]?.vision).toBe(0);
    expect(byGpuLayers.at(-1)).toEqual(taken);
  });
});
