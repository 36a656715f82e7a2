/**
 * What `info` shows on three kinds of machine: the backend in use, why others are not used, what to type; and what a model takes of
 * the memory, before it is loaded.
 */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { native } from "../../src/native/index.js";
import { addonPackage, Installation } from "../support/installation.js";
import { compiler, tinyLibrary } from "../support/tiny-library.js";
import { noVulkan, softwareDevice, vulkanLibrary } from "../support/vulkan.js";

const noCudaDriver = native.whyNotLoadable("libcuda.so.1");
let installation: Installation;

beforeAll(async () => {
  installation = await Installation.create();
  await installation.installAddon();
});

afterAll(() => installation[Symbol.asyncDispose]());

/** The table of backends: everything between its head and the next empty line. */
async function screen(variables: Readonly<Record<string, string>> = {}): Promise<{ code: number | null; lines: string[] }> {
  const { code, stdout } = await installation.run(["info"], variables);
  const from = stdout.indexOf("backend  state");
  return { code, lines: stdout.slice(from, stdout.indexOf("\n\n", from)).split("\n").slice(1) };
}

const cpuLine = () => `cpu      used        ${installation.library(addonPackage, "libggml-cpu.so")}`;
const indent = " ".repeat("cpu      used        ".length);

describe.skipIf(process.platform !== "linux")("info", () => {
  beforeEach(async () => {
    await installation.remove(`${addonPackage}-cuda`);
    await installation.remove(`${addonPackage}-vulkan`);
  });

  it.skipIf(noCudaDriver === undefined)(
    "on a machine without a GPU names both packages, the drivers to install, and the CPU in use",
    async () => {
      const { code, lines } = await screen();
      expect(code).toBe(0);
      expect(lines[0]).toBe(`cuda     not usable  ${addonPackage}-cuda`);
      expect(lines[1]).toBe(`${indent}why: not installed, and there is no driver: ${noCudaDriver}`);
      expect(lines[2]).toMatch(/^ +fix: install the NVIDIA driver .*nvidia-smi/);
      expect(lines[2]).toContain(`npm install ${addonPackage}-cuda@${installation.version}`);
      expect(lines[3]).toBe(`vulkan   not usable  ${addonPackage}-vulkan`);
      expect(lines[5]).toContain(`npm install ${addonPackage}-vulkan@${installation.version}`);
      expect(lines.at(-1)).toBe(cpuLine());
    },
  );

  it.skipIf(noCudaDriver === undefined || compiler === undefined)(
    "with the CUDA package and no driver says which library the driver lacks, and does not touch the package's",
    async () => {
      const file = tinyLibrary(installation.scratch("tiny"), "libggml-cuda.so");
      await installation.install(`${addonPackage}-cuda`, [file]);
      const { code, lines } = await screen();
      expect(code).toBe(0);
      expect(lines[0]).toBe(`cuda     not usable  ${installation.library(`${addonPackage}-cuda`, "libggml-cuda.so")}`);
      expect(lines[1]).toBe(`${indent}why: there is no driver: ${noCudaDriver}`);
      expect(lines[2]).toMatch(/^ +fix: install the NVIDIA driver/);
      expect(lines.at(-1)).toBe(cpuLine());
      const forced = await screen({ BACKEND: "cuda" });
      expect(forced.code).toBe(1);
      expect(forced.lines[1]).toBe(lines[1]);
    },
  );

  it("tells what a model takes before loading it, which is what loading takes, and that it fits", async () => {
    const { code, stdout } = await installation.run(["info", "--demo", "--json"]);
    expect(code).toBe(0);
    const { memory, model } = JSON.parse(stdout);
    expect(memory).toMatchObject({ precision: "file", freeBytes: [expect.any(Number)], fit: { fits: "whole" } });
    expect(memory.memory).toEqual(model.memory);
    const told = await installation.run(["info", "--demo"]);
    expect(told.stdout).toMatch(/^device +weights +pages +compute +vision +sum +free\nCPU +\d/m);
    expect(told.stdout).toMatch(/^it fits$/m);
    expect(told.stdout.indexOf("it fits")).toBeLessThan(told.stdout.indexOf("architecture"));
  });

  it("does not load a model that does not fit, tells what is missing, and ends with 1", async () => {
    const { code, stdout } = await installation.run(["info", "--demo"], { DOCUMENT_CACHE_MB: "16777216" });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^it does not fit: [\d.]+ GiB are needed on CPU, .* GiB are free; .*DOCUMENT_CACHE_MB/m);
    expect(stdout).not.toContain("architecture");
  });

  describe.skipIf(noVulkan)("with the Vulkan package and a software device", () => {
    beforeEach(() => installation.install(`${addonPackage}-vulkan`, [vulkanLibrary ?? ""]));

    it("leaves the device alone, and names the variable that takes it", async () => {
      const { code, lines } = await screen();
      expect(code).toBe(0);
      const vulkan = lines.findIndex((line) => line.startsWith("vulkan "));
      expect(lines[vulkan]).toBe(`vulkan   not usable  ${installation.library(`${addonPackage}-vulkan`, "libggml-vulkan.so")}`);
      expect(lines[vulkan + 1]).toBe(`${indent}why: it loads, and finds no usable device on this machine`);
      expect(lines[vulkan + 2]).toContain("GGML_VK_VISIBLE_DEVICES=0");
    });

    it("uses it when asked to", async () => {
      const { code, lines } = await screen({ ...softwareDevice, BACKEND: "vulkan" });
      expect(code).toBe(0);
      expect(lines).toEqual([
        `vulkan   used   ${installation.library(`${addonPackage}-vulkan`, "libggml-vulkan.so")}`,
        `cpu      used   ${installation.library(addonPackage, "libggml-cpu.so")}`,
      ]);
      const { stdout } = await installation.run(["info"], softwareDevice);
      expect(stdout).toMatch(/^Vulkan0 +i?gpu +Vulkan .*llvmpipe/m);
    });
  });
});
