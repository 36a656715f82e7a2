/** Decides whether what a model takes of each device's memory fits into what is free there, and what would fit. Pure. */

import type { DeviceMemory } from "../../binding.js";
import type { Fit, Shortage } from "../types.js";

/** Bytes of a device: what it has free, undefined = it does not tell; and what is taken beside the buffers that are counted. */
export interface Room {
  readonly freeBytes: number | undefined;
  readonly besideBytes: number;
}

/** Taken of a GPU by its driver and libraries. An assumption: no card was measured. */
export const besideGpuBytes = 512 * 2 ** 20;

/** Taken of the host by an engine for its vocabulary and recent texts, beside its caches: 11 MiB were measured of the demo model's. */
export const besideHostBytes = 128 * 2 ** 20;

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

/** The last of `byGpuLayers` is what was asked for. */
export function fitOf(byGpuLayers: readonly (readonly DeviceMemory[])[], roomOf: (device: string) => Room): Fit {
  const asked = byGpuLayers.at(-1) ?? [];
  const short = shortage(asked, roomOf);
  if (!short) {
    const silent = asked.find(({ device }) => roomOf(device).freeBytes === undefined);
    return silent ? { fits: "unknown", device: silent.device } : { fits: "whole" };
  }
  const gpuLayers = byGpuLayers.findLastIndex((memory) => !shortage(memory, roomOf));
  return gpuLayers < 0 ? { fits: "not", short } : { fits: "layers", gpuLayers, short };
}

/** The first device whose memory is too small. */
function shortage(memory: readonly DeviceMemory[], roomOf: (device: string) => Room): Shortage | undefined {
  for (const one of memory) {
    const { freeBytes, besideBytes } = roomOf(one.device);
    const neededBytes = sumOf(one) + besideBytes;
    if (freeBytes !== undefined && neededBytes > freeBytes) return { device: one.device, neededBytes, besideBytes, freeBytes };
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

function lacking({ device, neededBytes, besideBytes, freeBytes }: Shortage): string {
  return `${gib(neededBytes)} are needed on ${device}, ${gib(besideBytes)} of them assumed beside the buffers, and ${gib(freeBytes)} are free`;
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
