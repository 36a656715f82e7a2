/** Decides whether what a model takes of each device's memory fits into what is free there, and what would fit. Pure. */

import type { DeviceMemory } from "../../binding.js";
import type { Fit, Shortage } from "../types.js";

/**
 * Bytes that are taken of a device beside the buffers that are counted: by a GPU's driver and its libraries, or on the host by the
 * vocabulary, caches and Node. On the CPU more than was measured (docs/install.md); of GPUs' drivers it is an assumption.
 */
export const besideBytes = 512 * 2 ** 20;

/** Of engines that are loaded side by side: what each number of layers on the GPU takes, as `estimate` of the addon gives it. */
export function together(engines: readonly (readonly (readonly DeviceMemory[])[])[]): readonly (readonly DeviceMemory[])[] {
  const length = Math.max(...engines.map((byGpuLayers) => byGpuLayers.length));
  return Array.from({ length }, (_, gpuLayers) => {
    const sums = new Map<string, DeviceMemory>();
    // An engine on the CPU has no layers on a GPU, whatever the others have.
    for (const memory of engines.flatMap((byGpuLayers) => byGpuLayers[Math.min(gpuLayers, byGpuLayers.length - 1)] ?? [])) {
      const sum = sums.get(memory.device);
      sums.set(memory.device, sum ? added(sum, memory) : memory);
    }
    return [...sums.values()];
  });
}

function added(left: DeviceMemory, right: DeviceMemory): DeviceMemory {
  return {
    device: left.device,
    weights: left.weights + right.weights,
    pages: left.pages + right.pages,
    compute: left.compute + right.compute,
    vision: left.vision + right.vision,
  };
}

export function sumOf({ weights, pages, compute, vision }: DeviceMemory): number {
  return weights + pages + compute + vision;
}

/** `freeBytes`: of a device; undefined = it does not tell. The last of `byGpuLayers` is what was asked for. */
export function fitOf(byGpuLayers: readonly (readonly DeviceMemory[])[], freeBytes: (device: string) => number | undefined): Fit {
  const asked = byGpuLayers.at(-1) ?? [];
  const short = shortage(asked, freeBytes);
  if (!short) {
    const silent = asked.find(({ device }) => freeBytes(device) === undefined);
    return silent ? { fits: "unknown", device: silent.device } : { fits: "whole" };
  }
  const gpuLayers = byGpuLayers.findLastIndex((memory) => !shortage(memory, freeBytes));
  return gpuLayers < 0 ? { fits: "not", short } : { fits: "layers", gpuLayers, short };
}

/** The first device whose memory is too small. */
function shortage(memory: readonly DeviceMemory[], freeBytes: (device: string) => number | undefined): Shortage | undefined {
  for (const one of memory) {
    const [neededBytes, free] = [sumOf(one) + besideBytes, freeBytes(one.device)];
    if (free !== undefined && neededBytes > free) return { device: one.device, neededBytes, freeBytes: free };
  }
  return undefined;
}

/** The verdict in a line, with what to set. */
export function verdict(fit: Fit): string {
  switch (fit.fits) {
    case "whole":
      return "it fits";
    case "unknown":
      return `not told: ${fit.device} does not say how much memory it has free`;
    case "layers":
      return `it does not fit: ${lacking(fit.short)}; ${fit.gpuLayers > 0 ? `N_GPU_LAYERS=${fit.gpuLayers}` : "the CPU alone (BACKEND=cpu)"} fits`;
    case "not":
      return `it does not fit: ${lacking(fit.short)}; less is needed with a lower DOCUMENT_CACHE_MB, CTX_SIZE or BATCH_TOKENS, KV_TYPE=q8_0, or a smaller quantization with PRECISION=file`;
  }
}

function lacking({ device, neededBytes, freeBytes }: Shortage): string {
  return `${gib(neededBytes)} are needed on ${device}, ${gib(besideBytes)} of them assumed beside the buffers, and ${gib(freeBytes)} are free`;
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
