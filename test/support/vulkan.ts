/** The Vulkan backend on a software device (Debian: mesa-vulkan-drivers), which stands in for a GPU. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { native } from "../../src/native/index.js";
import type { LoadOptions } from "../../src/types.js";
import { platform } from "./installation.js";

const root = join(import.meta.dirname, "..", "..");

/** Path of the backend, built by native/prebuild/build.mjs or by hand; undefined = it was not built. */
export const vulkanLibrary = [
  process.env.JINA_RERANKER_TEST_VULKAN ?? "",
  join(root, "build", "packages", `${platform}-vulkan`, "prebuilds", platform, "libggml-vulkan.so"),
  join(root, "build", `${platform}-vulkan`, "Release", "libggml-vulkan.so"),
  join(root, "build", "Release", "libggml-vulkan.so"),
].find((path) => path !== "" && existsSync(path));

/** Why the backend cannot be tested here; undefined = it can. */
export const noVulkan =
  vulkanLibrary === undefined
    ? "the Vulkan backend is not built: node native/prebuild/build.mjs linux-x64-vulkan"
    : native.whyNotLoadable("libvulkan.so.1") && "no libvulkan.so.1";

/** Only a name selects a software device. */
export const softwareDevice = { GGML_VK_VISIBLE_DEVICES: "0" } as const;

/** Where the service of the tests loads its models: with JINA_RERANKER_TEST_DEVICE=vulkan on the software device, else on the CPU. */
export function testDevice(): Pick<LoadOptions, "backend" | "gpuLayers"> {
  if (process.env.JINA_RERANKER_TEST_DEVICE !== "vulkan") return { gpuLayers: 0 };
  if (noVulkan) throw new Error(noVulkan);
  Object.assign(process.env, softwareDevice);
  native.loadBackend([vulkanLibrary ?? ""]);
  return { backend: "vulkan", gpuLayers: 999 };
}

/** Vulkan's headers: those that the backend was built with, or the system's. */
const headers = [join(root, "build", "vulkan-tools", "usr", "include"), "/usr/include"].find((folder) =>
  existsSync(join(folder, "vulkan", "vk_layer.h")),
);

/** Builds the layer of test/native/failing-device-layer.cpp in the folder. Returns the variables that put it in front of a device. */
export function failingDevice(directory: string): Readonly<Record<string, string>> {
  const name = "VK_LAYER_jina_reranker_failing_device";
  const source = join(root, "test", "native", "failing-device-layer.cpp");
  if (headers === undefined) throw new Error("no headers of Vulkan: node native/prebuild/vulkan-tools.mjs");
  mkdirSync(directory, { recursive: true });
  const flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"];
  execFileSync("c++", [...flags, `-I${headers}`, "-o", join(directory, "layer.so"), source]);
  const layer = { name, type: "GLOBAL", library_path: "./layer.so", api_version: "1.3.0" };
  const described = { ...layer, implementation_version: "1", description: "A device that fails" };
  writeFileSync(join(directory, "layer.json"), JSON.stringify({ file_format_version: "1.2.0", layer: described }));
  return { ...softwareDevice, VK_LAYER_PATH: directory, VK_INSTANCE_LAYERS: name };
}
