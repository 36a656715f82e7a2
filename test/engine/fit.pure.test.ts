/** Whether what a model takes fits into what is free, and how many layers of it do. */

import { expect, test } from "vitest";
import type { DeviceMemory } from "../../binding.js";
import { fitOf, together, verdict } from "../../src/engine/fit.js";

const gib = 2 ** 30;
const besideBytes = gib / 2;

function on(device: string, bytes: number): DeviceMemory {
  return { device, weights: bytes / 2, pages: bytes / 4, compute: bytes / 8, vision: bytes / 8 };
}

/** A model of three layers of 1 GiB and an output of 1 GiB. */
const model = [0, 1, 2, 3, 4].map((gpuLayers) => [
  ...(gpuLayers > 0 ? [on("CUDA0", gpuLayers * gib)] : []),
  on("CPU", (4 - gpuLayers) * gib + gib / 8),
]);

const room = (gpu: number | undefined, cpu: number) => (device: string) =>
  device === "CPU" ? { freeBytes: cpu, besideBytes: gib / 8 } : { freeBytes: gpu, besideBytes };

test.each([
  { gpu: 4 * gib + besideBytes, cpu: 8 * gib, fit: { fits: "whole" } },
  { gpu: 4 * gib + besideBytes - 1, cpu: 8 * gib, fit: { fits: "layers", gpuLayers: 3 } },
  { gpu: gib, cpu: 8 * gib, fit: { fits: "layers", gpuLayers: 0 } },
  // Beside what is counted, each device has its own.
  { gpu: 8 * gib, cpu: gib / 4, fit: { fits: "whole" } },
  { gpu: 8 * gib, cpu: gib / 4 - 1, fit: { fits: "not", short: { device: "CPU", besideBytes: gib / 8 } } },
  // The host has no room for what the card leaves: fewer layers than fit the card are no way out.
  { gpu: 3 * gib, cpu: gib, fit: { fits: "not" } },
  { gpu: gib, cpu: gib, fit: { fits: "not" } },
  // Nothing is said against a card that does not tell.
  { gpu: undefined, cpu: 8 * gib, fit: { fits: "unknown", device: "CUDA0" } },
  { gpu: undefined, cpu: 0, fit: { fits: "not", short: { device: "CPU" } } },
])("$gpu bytes free on the card and $cpu on the host: $fit", ({ gpu, cpu, fit }) => {
  expect(fitOf(model, room(gpu, cpu))).toMatchObject(fit);
});

test("what is short is told of the options as they are: the device, what it needs and what it has", () => {
  const fit = fitOf(model, room(2 * gib, 8 * gib));
  const short = { device: "CUDA0", neededBytes: 4 * gib + besideBytes, besideBytes, freeBytes: 2 * gib };
  expect(fit).toEqual({ fits: "layers", gpuLayers: 1, short });
  expect(verdict(fit)).toBe(
    "it does not fit: 4.5 GiB are needed on CUDA0, 0.5 GiB of them assumed beside the buffers, and 2.0 GiB are free; N_GPU_LAYERS=1 fits",
  );
});

test("engines on the same card are added up; one on the CPU has no layers on a card", () => {
  const cpu = model.slice(0, 1);
  const all = together([model, model, cpu]);
  expect(all).toHaveLength(model.length);
  expect(all[2]?.find(({ device }) => device === "CUDA0")).toEqual(on("CUDA0", 4 * gib));
  expect(all[2]?.find(({ device }) => device === "CPU")).toEqual(on("CPU", 2 * (2 * gib + gib / 8) + 4 * gib + gib / 8));
});

test.each([
  [{ fits: "whole" }, "it fits"],
  [{ fits: "unknown", device: "Vulkan0" }, "not told: Vulkan0 does not say how much memory it has free"],
  [
    { fits: "layers", gpuLayers: 0, short: { device: "CUDA0", neededBytes: 3 * gib, besideBytes, freeBytes: gib } },
    /the CPU alone \(BACKEND=cpu\) fits$/,
  ],
  [{ fits: "not", short: { device: "CPU", neededBytes: 3 * gib, besideBytes, freeBytes: gib } }, /DOCUMENT_CACHE_MB/],
] as const)("%j is told in a line", (fit, line) => {
  expect(verdict(fit)).toMatch(line);
  expect(verdict(fit)).not.toContain("\n");
});
