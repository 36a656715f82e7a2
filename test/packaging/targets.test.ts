/** The manifests, the build matrix and the platform names follow the table of packages, native/prebuild/targets.json. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
// @ts-expect-error: build scripts are plain JavaScript, which a checkout runs before there is TypeScript
import { containerArguments } from "../../native/prebuild/build.mjs";
// @ts-expect-error: build scripts are plain JavaScript, which a checkout runs before there is TypeScript
import { targetNamed } from "../../native/prebuild/targets.mjs";
import { isAddonPublished, isGpuPackagePublished } from "../../src/native/platform.js";

const root = join(import.meta.dirname, "..", "..");
const { version }: { version: string } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

function print(what: string): string {
  const { status, stdout } = spawnSync(process.execPath, [join(root, "native", "prebuild", "targets.mjs"), what], {
    encoding: "utf8",
  });
  expect(status).toBe(0);
  return stdout;
}

const names = [
  "linux-x64",
  "linux-x64-cuda",
  "linux-x64-vulkan",
  "linux-x64-musl",
  "linux-arm64",
  "linux-arm64-musl",
  "darwin-arm64",
  "darwin-x64",
  "win32-x64",
  "win32-x64-cuda",
  "win32-x64-vulkan",
  "win32-arm64",
];
const forGpu = /-(cuda|vulkan)$/;

describe("the table of packages", () => {
  it("gives each package a manifest with its platform, and makes all but those for GPUs optional dependencies of the main one", () => {
    const [main, ...packages] = JSON.parse(print("manifests"));
    const optional = names.filter((name) => !forGpu.test(name));
    expect(main.optionalDependencies).toEqual(Object.fromEntries(optional.map((name) => [`@jina-reranker/${name}`, version])));
    expect(main).not.toHaveProperty("private");
    expect(main).not.toHaveProperty("scripts");
    expect(packages.map(({ name }: { name: string }) => name)).toEqual(names.map((name) => `@jina-reranker/${name}`));
    for (const manifest of packages) {
      const [os, cpu] = manifest.name.split("/")[1].split("-");
      expect(manifest).toMatchObject({ version, os: [os], cpu: [cpu] });
      const libc = manifest.name.endsWith("-musl") ? "musl" : "glibc";
      expect(manifest.libc).toEqual(os === "linux" ? [libc] : undefined);
      expect(manifest).not.toHaveProperty("dependencies");
    }
  });

  it("gives the matrix a build command and a machine for each, and to those of Linux a container", () => {
    const { include } = JSON.parse(print("matrix"));
    expect(include.map(({ target }: { target: string }) => target)).toEqual(names);
    for (const row of include) {
      expect(row).toEqual({
        target: row.target,
        "runs-on": expect.stringMatching(/\w+-[\d.]+/),
        build: `node native/prebuild/build.mjs ${row.target}`,
        container: row.target.startsWith("linux-") ? expect.stringMatching(/^[\w.]+\.io\/[\w./-]+/) : "",
      });
    }
  });

  it("agrees with the names that `info` prints", () => {
    const systems = ["linux-x64", "linux-arm64", "linux-x64-musl", "linux-arm64-musl", "darwin-x64", "win32-x64", "win32-arm64"];
    for (const platform of [...systems, "linux-riscv64", "linux-riscv64-musl", "freebsd-x64", "win32-ia32"]) {
      expect(isAddonPublished(platform), platform).toBe(names.includes(platform));
      for (const backend of ["cuda", "vulkan"] as const) {
        expect(isGpuPackagePublished(backend, platform), platform).toBe(names.includes(`${platform}-${backend}`));
      }
    }
  });

  it("refuses to pack a target without its libraries, and names the command that builds them", () => {
    const empty = mkdtempSync(join(tmpdir(), "jina-reranker-targets-"));
    try {
      const args = [
        join(root, "native", "prebuild", "pack.mjs"),
        "--destination",
        empty,
        "--libraries",
        empty,
        "linux-x64-vulkan",
      ];
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
      expect(status).toBe(1);
      expect(stderr).toContain("linux-x64-vulkan is not built: node native/prebuild/build.mjs linux-x64-vulkan");
    } finally {
      rmSync(empty, { recursive: true });
    }
  });

  it("promises an older system for what is built in a container that has one", () => {
    for (const name of names.filter((candidate) => candidate.startsWith("linux-"))) {
      const { libc, promises, backend } = targetNamed(name);
      if (libc === "musl") expect(promises, name).toBeUndefined();
      else if (backend !== "vulkan") expect(promises, name).toEqual({ GLIBC: "2.28", GLIBCXX: "3.4.25", CXXABI: "1.3.11" });
    }
  });

  it.each([
    ["linux-x64", "linux/amd64", "manylinux_2_28_x86_64"],
    ["linux-arm64", "linux/arm64", "manylinux_2_28_aarch64"],
    ["linux-x64-musl", "linux/amd64", "alpine"],
    ["linux-arm64-musl", "linux/arm64", "alpine"],
  ])("builds %s in its container with the checkout in the same place", (name, platform, image) => {
    const args = containerArguments(targetNamed(name), { directory: "/some/checkout", user: "1000:1000" });
    expect(args.join(" ")).toMatch(
      new RegExp(
        `^run --rm --platform ${platform} --volume /some/checkout:/some/checkout --workdir /some/checkout \\S+${image} sh -c`,
      ),
    );
    const command = args.at(-1) ?? "";
    expect(command).toMatch(/^sh native\/prebuild\/containers\/prepare\.sh && /);
    expect(command).toMatch(new RegExp(`&& node native/prebuild/build\\.mjs ${name} && chown -R 1000:1000 build$`));
  });

  it("has no container for other systems, and says where they are built", () => {
    expect(() => containerArguments(targetNamed("win32-arm64"))).toThrow("it is built on windows-11-arm");
  });

  it("refuses to build for another platform, naming both", () => {
    const other = process.platform === "win32" ? "linux-arm64" : "win32-x64";
    const script = join(root, "native", "prebuild", "build.mjs");
    const { status, stderr } = spawnSync(process.execPath, [script, other], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toContain(`${other} is built on ${other}, this is ${process.platform}-${process.arch}`);
  });
});
