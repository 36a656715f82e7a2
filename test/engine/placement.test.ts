/** Which engines GPUS asks for, and what each has of memory and processors. */

import { expect, test } from "vitest";
import type { Device, EngineOptions } from "../../binding.js";
import { enginesOn, sharingDevices } from "../../src/engine/placement.js";
import type { GpuName } from "../../src/settings/gpu-names.js";
import { resolveLoadOptions } from "../../src/settings/load-options.js";
import type { LoadOptions } from "../../src/types.js";

function device(name: string, type: Device["type"], backend: string): Device {
  return { name, type, backend, description: name, memoryFree: 0, memoryTotal: 0, computeCapability: 0 };
}

const cpu = device("CPU", "cpu", "CPU");
const cards = ["CUDA0", "CUDA1"].map((name) => device(name, "gpu", "CUDA"));
/** The same cards, seen by another backend. */
const again = ["Vulkan0", "Vulkan1"].map((name) => device(name, "gpu", "Vulkan"));
const onBoard = device("Vulkan2", "igpu", "Vulkan");

function engines(
  gpus: readonly GpuName[] | undefined,
  devices: readonly Device[],
  more: Partial<LoadOptions> = {},
): EngineOptions[] {
  const { headPath, precision, maxDocuments, ...options } = resolveLoadOptions({ modelPath: "a.gguf", ...more });
  const head = { w1: new Float32Array(1), b1: new Float32Array(1), w2: new Float32Array(1), b2: 0, logitBias: 0 };
  return enginesOn(gpus, { ...options, head }, devices, 8);
}

test.each<[readonly GpuName[] | undefined, readonly Device[], readonly (string | undefined)[]]>([
  [undefined, [cpu, ...cards], [undefined]],
  [[0], [cpu, ...cards], ["CUDA0"]],
  [
    [1, 0, "cpu"],
    [cpu, ...cards],
    ["CUDA1", "CUDA0", "CPU"],
  ],
  [
    [0, 0],
    [cpu, ...cards],
    ["CUDA0", "CUDA0"],
  ],
  [[1], [cpu, ...again, ...cards], ["Vulkan1"]],
  [[0], [cpu, onBoard], ["Vulkan2"]],
  [[0], [cpu, onBoard, ...cards], ["CUDA0"]],
  [["cpu", "cpu"], [cpu], ["CPU", "CPU"]],
])("%j among %j: engines on %j", (gpus, devices, names) => {
  expect(engines(gpus, devices).map((each) => each.device)).toEqual(names);
});

test.each<[readonly GpuName[], readonly Device[], string]>([
  [[2], [cpu, ...cards, onBoard], "gpus: expected numbers from 0 to 1, or cpu, got 2"],
  [[0], [cpu], "gpus: expected cpu, as no GPU was found, got 0"],
])("%j among %j is refused: %s", (gpus, devices, message) => {
  expect(() => engines(gpus, devices)).toThrow(message);
});

test("engines divide the memory for encoded images", () => {
  const shares = engines([0, 1, "cpu"], [cpu, ...cards], { mmprojPath: "mmproj.gguf", imageCacheMb: 3 });
  expect(shares.map(({ vision }) => vision)).toEqual(
    Array(3).fill({ mmprojPath: "mmproj.gguf", maxTokens: 768, cacheBytes: 2 ** 20 }),
  );
  expect(engines([0, 1], [cpu, ...cards]).every(({ vision }) => vision === undefined)).toBe(true);
});

test("engines divide the caches' memory, and engines on the CPU the processors", () => {
  const caches = { documentCacheMb: 90, scoreCacheMb: 3 };
  const shares = engines([0, "cpu", "cpu"], [cpu, ...cards], caches);
  for (const { documentCacheBytes, scoreCacheBytes, threads } of shares) {
    expect({ documentCacheBytes, scoreCacheBytes, threads }).toEqual({
      documentCacheBytes: 30 * 2 ** 20,
      scoreCacheBytes: 2 ** 20,
      threads: 4,
    });
  }
  expect(shares.map(({ gpuLayers }) => gpuLayers)).toEqual([999, 0, 0]);
  expect(engines(["cpu", "cpu"], [cpu], { threads: 3 }).map(({ threads }) => threads)).toEqual([3, 3]);
  expect(engines([0, "cpu"], [cpu, ...cards]).map(({ threads }) => threads)).toEqual([0, 0]);
});

const mib = 2 ** 20;

/** Weights of 1,000 MiB, and 600 MiB of caches for all engines. */
test.each<[string, readonly GpuName[], number, readonly number[]]>([
  ["have what was asked for where there is room", [0, 0], 8000, [300, 300]],
  ["divide what is free, each at most half of what its weights leave", [0, 0], 2400, [100, 100]],
  ["have none where the weights alone do not fit", [0, 0], 1900, [0, 0]],
  ["share with nobody on other devices", [0, 0, 1, "cpu", "cpu"], 2100, [25, 25, 120, 120, 120]],
])("the caches of engines on one GPU %s: %j with %i MiB free", (_, gpus, free, expected) => {
  const devices = [cpu, ...cards.map((card) => ({ ...card, memoryFree: free * mib }))];
  const shares = sharingDevices(engines(gpus, devices, { documentCacheMb: 600 }), devices, () => 1000 * mib);
  expect(shares.map(({ documentCacheBytes }) => documentCacheBytes / mib)).toEqual(expected);
});
