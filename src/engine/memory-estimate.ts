/** Asks the addon what engines take of each device's memory before they are loaded, and compares it with what is free. */

import type { Device, EngineOptions } from "../../binding.js";
import { fromNative, RerankError } from "../errors.js";
import { loadAddon } from "../native/addon.js";
import type { MemoryEstimate } from "../types.js";
import { besideGpuBytes, besideHostBytes, fitOf, type Room, together, verdict } from "./fit.js";
import { freeMemory } from "./memory-groups.js";

type Unloaded = Omit<EngineOptions, "head">;

/** `matrixType`: of the weights, were they converted. */
export async function estimateMemory(
  engines: readonly Unloaded[],
  matrixType?: "f16" | "bf16" | "q8_0",
): Promise<Omit<MemoryEstimate, "precision">> {
  const { estimate, backends } = loadAddon().binding;
  const byGpuLayers = together(await Promise.all(engines.map((options) => estimate(options, matrixType))));
  const { devices } = backends();
  const onHost = engines.reduce((sum, engine) => sum + besideHostBytes + cacheBytes(engine), 0);
  const room = (device: string) =>
    roomOf(
      devices.find(({ name }) => name === device),
      onHost,
    );
  const memory = byGpuLayers.at(-1) ?? [];
  return { memory, freeBytes: memory.map(({ device }) => room(device).freeBytes), fit: fitOf(byGpuLayers, room) };
}

function roomOf(device: Device | undefined, onHost: number): Room {
  if (device?.type === "cpu") return { freeBytes: freeMemory(), besideBytes: onHost };
  return { freeBytes: device && device.memoryTotal > 0 ? device.memoryFree : undefined, besideBytes: besideGpuBytes };
}

/** What an engine's caches may take of the host. */
function cacheBytes({ scoreCacheBytes, vision }: Unloaded): number {
  return scoreCacheBytes + (vision?.cacheBytes ?? 0);
}

/** The error of a load; where memory was missing, with what would fit. */
export async function withVerdict(error: unknown, engines: readonly Unloaded[]): Promise<unknown> {
  const known = fromNative(error);
  if (!(known instanceof RerankError) || known.code !== "out_of_memory") return error;
  const estimate = await estimateMemory(engines).catch(() => undefined);
  if (estimate?.fit.fits !== "layers" && estimate?.fit.fits !== "not") return error;
  return new RerankError("out_of_memory", `${known.message}. Before loading: ${verdict(estimate.fit)}`, { cause: error });
}
