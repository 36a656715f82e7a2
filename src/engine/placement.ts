/** Decides which engines are loaded: GPUS names their devices, and they divide memory and processors among themselves. Pure. */

import { availableParallelism } from "node:os";
import type { Device, EngineOptions } from "../../binding.js";
import { RerankError } from "../errors.js";
import type { GpuName } from "../settings/gpu-names.js";

/** An engine's options, with the score head or without. */
type Placed = Omit<EngineOptions, "head">;
type SharedOptions = Omit<Placed, "device">;

/** The options of each engine. Without `gpus` it is one, and the addon chooses its device. */
export function enginesOn<Options extends SharedOptions>(
  gpus: readonly GpuName[] | undefined,
  options: Options,
  devices: readonly Device[],
  processors = availableParallelism(),
): [Options & { device?: string }, ...(Options & { device?: string })[]] {
  const [first, ...rest] = gpus ?? [];
  if (!gpus || first === undefined) return [options];
  const own = { ...options, ...share(options, gpus, processors) };
  const on = (gpu: GpuName) => ({
    ...own,
    device: deviceName(gpu, devices),
    ...(gpu === "cpu" && { gpuLayers: 0 }),
  });
  return [on(first), ...rest.map(on)];
}

/** Engines on the same device, this one included. */
export function sharersOf({ device }: Placed, engines: readonly Placed[]): number {
  return engines.filter((other) => other.device === device).length;
}

/**
 * The engines with what their document caches may take of a GPU that several of them share: each has an equal part of the
 * memory that is free before any is loaded, and as alone on a GPU at most half of what its weights leave of that.
 */
export function sharingDevices<Options extends Placed>(
  engines: readonly Options[],
  devices: readonly Device[],
  weightsBytes: () => number,
): readonly Options[] {
  return engines.map((engine) => {
    const sharers = sharersOf(engine, engines);
    const device = devices.find(({ name, type }) => name === engine.device && type !== "cpu");
    if (!device || sharers === 1) return engine;
    const left = Math.max(0, device.memoryFree / sharers - weightsBytes());
    return { ...engine, documentCacheBytes: Math.min(engine.documentCacheBytes, Math.floor(left / 2)) };
  });
}

/** Each engine's share of the caches' memory and, where N_THREADS is not set, of the processors. */
function share(
  { documentCacheBytes, scoreCacheBytes, vision, threads }: SharedOptions,
  gpus: readonly GpuName[],
  processors: number,
): Pick<EngineOptions, "documentCacheBytes" | "scoreCacheBytes" | "vision" | "threads"> {
  const onCpu = gpus.filter((gpu) => gpu === "cpu").length;
  return {
    documentCacheBytes: Math.floor(documentCacheBytes / gpus.length),
    scoreCacheBytes: Math.floor(scoreCacheBytes / gpus.length),
    ...(vision && { vision: { ...vision, cacheBytes: Math.floor(vision.cacheBytes / gpus.length) } }),
    threads: threads === 0 && onCpu > 1 ? Math.max(1, Math.floor(processors / onCpu)) : threads,
  };
}

/** A number counts the GPUs of the first backend that has any: another backend may see the same cards. */
function deviceName(gpu: GpuName, devices: readonly Device[]): string {
  const [first] = [...ofType(devices, "gpu"), ...ofType(devices, "igpu")];
  const there = first ? ofType(devices, first.type).filter(({ backend }) => backend === first.backend) : [];
  const device = gpu === "cpu" ? ofType(devices, "cpu")[0] : there[gpu];
  if (device) return device.name;
  const expected = there.length > 0 ? `numbers from 0 to ${there.length - 1}, or cpu` : "cpu, as no GPU was found";
  throw new RerankError("invalid_option", `gpus: expected ${expected}, got ${gpu}`);
}

function ofType(devices: readonly Device[], type: Device["type"]): readonly Device[] {
  return devices.filter((device) => device.type === type);
}
