/** Advice for each reason why a library cannot be used: the command to type, or what else to do. */

import { join } from "node:path";
import { type LibraryFolder, ownVersion, packageDirectory } from "./library-folder.js";
import { backendLibrary, type GpuBackend, gpuPackage, isAddonPublished, isGpuPackagePublished, packageOf } from "./platform.js";

/** A file or package that was tried and could not be used. */
export interface Finding {
  readonly what: string;
  readonly reason: string;
  /** The command to type, or what else to do. */
  readonly fix: string;
}

export interface Unusable extends Finding {
  /** The card's driver is installed, and only the backend is missing. */
  readonly driver?: "unused";
}

const windows = process.platform === "win32";
const installed = packageDirectory.split(/[\\/]/).includes("node_modules");

export const buildCommand = installed ? "npx jina-reranker build" : "npm run build:native";

export function installCommand(name: string): string {
  return `npm install ${name}@${ownVersion}`;
}

/** The addon's package is not installed. `isInstalled` tells whether another package is. */
export function missingAddon(on: string, isInstalled: (name: string) => boolean): Finding {
  const what = packageOf(on);
  if (!isAddonPublished(on)) return { what, reason: `there is no package for ${on}`, fix: `build it here: ${buildCommand}` };
  const fix = `${installCommand(what)}, or build it here: ${buildCommand}`;
  const musl = on.endsWith("-musl");
  const other = packageOf(musl ? on.slice(0, -"-musl".length) : `${on}-musl`);
  if (!isInstalled(other)) return { what, reason: "not installed (npm leaves it out with --omit=optional)", fix };
  const [here, there] = musl ? ["musl", "glibc"] : ["glibc", "musl"];
  return { what, reason: `not installed; ${other} is, which is for ${there}, and this system's C library is ${here}`, fix };
}

/** Neither a package with the backend is installed nor was it built. `noDriver`: why the driver cannot be used; undefined = it can. */
export function missingBackend(backend: GpuBackend, on: string, noDriver: string | undefined): Unusable {
  const published = isGpuPackagePublished(backend, on);
  const what = published ? gpuPackage(backend, on) : backendLibrary(backend, on);
  const reason = published ? "not installed" : `not built, and no package has it for ${on}`;
  const command = published
    ? installCommand(what)
    : `${buildCommand}${installed ? "" : " --"} -DGGML_${backend.toUpperCase()}=ON`;
  if (noDriver === undefined) return { what, reason: `${reason}, but there is a driver`, fix: command, driver: "unused" };
  return { what, reason: `${reason}, and there is no driver: ${noDriver}`, fix: `${driverAdvice(backend)}; then ${command}` };
}

/**
 * A line for the log when the CPU computes although a card waits for its package. CUDA's driver is on machines with a card;
 * Vulkan's loader is on others too.
 */
export function unusedCard(backend: GpuBackend, { what, fix, driver }: Unusable): string | undefined {
  if (backend !== "cuda" || driver !== "unused") return undefined;
  return `the CPU computes, although NVIDIA's driver is installed: ${what} is missing. Fix: ${fix}`;
}

/** For a folder with a file that is missing, damaged or refused: removes the folder and makes it again. */
export function renewCommand({ manifest, directory }: LibraryFolder): string {
  const remove = windows ? "rmdir /s /q" : "rm -r";
  return manifest
    ? `${remove} ${join("node_modules", manifest.name)} && npm install`
    : `${remove} ${directory} && ${buildCommand}`;
}

export function driverAdvice(backend: GpuBackend): string {
  switch (backend) {
    case "cuda":
      return windows
        ? "install NVIDIA's driver; nvidia-smi must list the card"
        : "install the NVIDIA driver (Debian: apt-get install nvidia-driver; a container: docker run --gpus all); nvidia-smi must list the card";
    case "vulkan":
      return windows
        ? "install the card maker's driver"
        : "apt-get install libvulkan1 mesa-vulkan-drivers, or the card maker's own driver";
    case "metal":
      return buildCommand;
  }
}

/** For a backend's library that the system's loader refused, or that found no device. */
export function refusalAdvice(backend: GpuBackend, reason: string, folder: LibraryFolder): string {
  const cublas = reason.match(/lib(?:cublas(?:Lt)?|cudart)\.so\.(\d+)/);
  if (cublas) {
    return (
      `install cuBLAS of CUDA ${cublas[1]} (Debian's non-free: apt-get install libcublas${cublas[1]}; NVIDIA's repository: ` +
      `the newest libcublas-${cublas[1]}-*), or name its folder in LD_LIBRARY_PATH`
    );
  }
  // Windows does not say which library is missing.
  if (windows && backend === "cuda" && /module (could )?not (be )?found/i.test(reason)) {
    return "install the CUDA toolkit's cuBLAS, and add the folder of cublas64_*.dll to PATH";
  }
  if (/version `GLIBC(XX)?_[\d.]+' not found/.test(reason)) return `this system is older than the package: ${buildCommand}`;
  if (!/no usable device/.test(reason)) return renewCommand(folder);
  switch (backend) {
    case "cuda":
      return "nvidia-smi must list a card; a container needs docker run --gpus all; CUDA_VISIBLE_DEVICES may hide it";
    case "vulkan":
      return "vulkaninfo --summary must list a GPU (Debian: apt-get install vulkan-tools); a software device is used only when asked for: GGML_VK_VISIBLE_DEVICES=0";
    case "metal":
      return "this Mac has no GPU that Metal supports";
  }
}
