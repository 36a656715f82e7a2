/** One engine a device: which devices GPUS names, and loading them side by side. */

import { availableParallelism } from "node:os";
import type { Device, EngineOptions } from "../../binding.js";
import { RerankError } from "../errors.js";
import { loadAddon } from "../native/addon.js";
import type { GpuName } from "../settings/gpu-names.js";
import type { PooledEngine } from "./pool.js";

type SharedOptions = Omit<EngineOptions, "device">;

/** The engines that are to be loaded: without `gpus` one, on the device that it itself thinks best. */
export function enginesOn(gpus: readonly GpuName[] | undefined, options: SharedOptions): [EngineOptions, ...EngineOptions[]] {
  const [first, ...rest] = gpus ?? [];
  if (!gpus || first === undefined) return [options];
  const { devices } = loadAddon().binding.backends();
  const own = { ...options, ...share(options, gpus) };
  const on = (gpu: GpuName): EngineOptions => ({
    ...own,
    device: deviceName(gpu, devices),
    ...(gpu === "cpu" && { gpuLayers: 0 }),
  });
  return [on(first), ...rest.map(on)];
}

/** Side by side. When one cannot be loaded, none is. */
export async function loadEngines(
  each: readonly EngineOptions[],
  modelPath: string,
  onProgress: (fraction: number) => void,
): Promise<readonly PooledEngine[]> {
  const fractions = each.map(() => 0);
  const loads = each.map((options, index) =>
    loadAddon().binding.Engine.load({ ...options, modelPath }, (fraction) => {
      fractions[index] = fraction;
      onProgress(fractions.reduce((sum, part) => sum + part, 0) / fractions.length);
    }),
  );
  const settled = await Promise.allSettled(loads);
  const engines = settled.flatMap((load) => (load.status === "fulfilled" ? [load.value] : []));
  const failed = settled.find((load) => load.status === "rejected");
  if (!failed) return engines;
  await Promise.all(engines.map((engine) => engine.close()));
  throw failed.reason;
}

/** What engines divide among themselves: the caches' memory, and the processors where nothing else was said. */
function share(
  { documentCacheBytes, scoreCacheBytes, threads }: SharedOptions,
  gpus: readonly GpuName[],
): Pick<EngineOptions, "documentCacheBytes" | "scoreCacheBytes" | "threads"> {
  const onCpu = gpus.filter((gpu) => gpu === "cpu").length;
  return {
    documentCacheBytes: Math.floor(documentCacheBytes / gpus.length),
    scoreCacheBytes: Math.floor(scoreCacheBytes / gpus.length),
    threads: threads === 0 && onCpu > 1 ? Math.max(1, Math.floor(availableParallelism() / onCpu)) : threads,
  };
}

/** GPUs are counted within one backend: two backends may see the same card. */
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
