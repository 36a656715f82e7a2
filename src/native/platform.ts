/** Names on this platform: packages, backend libraries, and the libraries that GPU drivers install. */

import { type Libc, processLibc } from "./libc.js";

export type GpuBackend = "cuda" | "metal" | "vulkan";
export type BackendName = "cpu" | GpuBackend;

/** The folder of libraries inside a package. */
export const platform = `${process.platform}-${process.arch}`;

/** The target in native/prebuild/targets.json whose libraries this process can load. */
export function targetOf(system: string, libc: Libc | undefined): string {
  return libc === "musl" ? `${system}-musl` : system;
}

export const target = targetOf(platform, processLibc());

export const packageOf = (name: string): string => `@jina-reranker/${name}`;

export const addonPackage = packageOf(target);

/** Whether the addon's package is published. A test compares this with the table, native/prebuild/targets.json. */
export function isAddonPublished(on: string): boolean {
  return /^linux-(x64|arm64)(-musl)?$/.test(on) || ["darwin-arm64", "darwin-x64", "win32-x64", "win32-arm64"].includes(on);
}

/** In the order in which "auto" tries them. CUDA comes before Vulkan, because it is faster on the same card. */
export const gpuBackends: readonly GpuBackend[] = process.platform === "darwin" ? ["metal"] : ["cuda", "vulkan"];

/** Metal is in the addon's package; the others have packages of their own, which are installed by name. */
export function gpuPackage(backend: GpuBackend, on = target): string {
  return packageOf(backend === "metal" ? on : `${on}-${backend}`);
}

/** Whether that package is published. A test compares this with the table, native/prebuild/targets.json. */
export function isGpuPackagePublished(backend: GpuBackend, on: string): boolean {
  return (backend === "metal" ? ["darwin-arm64"] : ["linux-x64", "win32-x64"]).includes(on);
}

export function backendLibrary(backend: BackendName, on = target): string {
  return on.startsWith("win32-") ? `ggml-${backend}.dll` : `libggml-${backend}.so`;
}

/** A variant of the CPU backend, such as `libggml-cpu-zen4.so`, or `libggml-cpu.so` where there is only one. */
export function isCpuLibrary(file: string): boolean {
  return /^(lib)?ggml-cpu(-\w+(\.\w+)*)?\.(so|dll)$/.test(file);
}

export function isGpuLibrary(file: string): boolean {
  return gpuBackends.some((backend) => file === backendLibrary(backend));
}

export function isLibrary(file: string): boolean {
  return /\.(node|so|dll|dylib)$/.test(file);
}

/** The library that the driver installs; undefined = the system always has it. */
export function driverLibrary(backend: GpuBackend): string | undefined {
  if (backend === "metal") return undefined;
  const names =
    process.platform === "win32"
      ? { cuda: "nvcuda.dll", vulkan: "vulkan-1.dll" }
      : { cuda: "libcuda.so.1", vulkan: "libvulkan.so.1" };
  return names[backend];
}
