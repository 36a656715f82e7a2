/** What is said of packages that are not installed: the right one for the system, and the command that installs it. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { missingAddon, missingBackend, unusedCard } from "../../src/native/advice.js";
import { type GpuBackend, targetOf } from "../../src/native/platform.js";

const { version }: { version: string } = JSON.parse(readFileSync(join(import.meta.dirname, "..", "..", "package.json"), "utf8"));
const install = (name: string) => `npm install @jina-reranker/${name}@${version}`;

test.each([
  ["linux-x64", "glibc", "linux-x64"],
  ["linux-x64", undefined, "linux-x64"],
  ["linux-x64", "musl", "linux-x64-musl"],
  ["linux-arm64", "musl", "linux-arm64-musl"],
  ["darwin-arm64", undefined, "darwin-arm64"],
] as const)("%s with %s takes the package %s", (system, libc, expected) => {
  expect(targetOf(system, libc)).toBe(expected);
});

describe("without the addon's package", () => {
  const none = () => false;
  const one = (name: string) => (asked: string) => asked === `@jina-reranker/${name}`;
  const omitted = "not installed (npm leaves it out with --omit=optional)";

  test.each<[string, (name: string) => boolean, string]>([
    ["linux-x64", none, omitted],
    ["linux-x64-musl", none, omitted],
    ["darwin-x64", none, omitted],
    ["win32-arm64", none, omitted],
    [
      "linux-x64-musl",
      one("linux-x64"),
      "not installed; @jina-reranker/linux-x64 is, which is for glibc, and this system's C library is musl",
    ],
    [
      "linux-arm64",
      one("linux-arm64-musl"),
      "not installed; @jina-reranker/linux-arm64-musl is, which is for musl, and this system's C library is glibc",
    ],
    ["linux-arm64-musl", one("linux-x64"), omitted],
  ])("on %s its name and command are said", (on, isInstalled, reason) => {
    const { what, fix, ...rest } = missingAddon(on, isInstalled);
    expect([what, rest]).toEqual([`@jina-reranker/${on}`, { reason }]);
    expect(fix).toMatch(new RegExp(`^${install(on).replaceAll(".", "\\.")}, or build it here: `));
  });

  test.each(["linux-riscv64", "linux-riscv64-musl", "freebsd-x64"])("on %s none is named that does not exist", (on) => {
    const { reason, fix } = missingAddon(on, none);
    expect(reason).toBe(`there is no package for ${on}`);
    expect(fix).not.toContain("npm install");
    expect(fix).toContain("build");
  });
});

describe("without a GPU's package", () => {
  const driver = "libcuda.so.1: cannot open shared object file";

  test.each<[GpuBackend, string, string | undefined, RegExp, string]>([
    ["cuda", "linux-x64", undefined, /^not installed, but there is a driver$/, install("linux-x64-cuda")],
    ["vulkan", "win32-x64", undefined, /^not installed, but there is a driver$/, install("win32-x64-vulkan")],
    ["cuda", "linux-x64", driver, /^not installed, and there is no driver: libcuda/, `; then ${install("linux-x64-cuda")}`],
    ["cuda", "linux-x64-musl", undefined, /^not built, and no package has it for linux-x64-musl, but/, "-DGGML_CUDA=ON"],
    ["vulkan", "linux-arm64", driver, /^not built, and no package has it for linux-arm64, and/, "-DGGML_VULKAN=ON"],
    ["cuda", "win32-arm64", undefined, /^not built, and no package has it for win32-arm64, but/, "-DGGML_CUDA=ON"],
  ])("%s on %s, driver: %s", (backend, on, noDriver, reason, fix) => {
    const said = missingBackend(backend, on, noDriver);
    expect(said.reason).toMatch(reason);
    expect(said.fix.endsWith(fix)).toBe(true);
    expect(said.driver).toBe(noDriver === undefined ? "unused" : undefined);
  });

  test("the log tells of a card only where its driver is installed, and CUDA's only", () => {
    const said = (backend: GpuBackend, noDriver?: string) => unusedCard(backend, missingBackend(backend, "linux-x64", noDriver));
    expect(said("cuda")).toContain(install("linux-x64-cuda"));
    expect([said("cuda", driver), said("vulkan"), said("vulkan", driver)]).toEqual([undefined, undefined, undefined]);
  });
});
