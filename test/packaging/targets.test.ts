/** The manifests, the build matrix and the platform names follow the table of packages, native/prebuild/targets.json. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isGpuPackagePublished } from "../../src/native/platform.js";

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
  "linux-arm64",
  "darwin-arm64",
  "win32-x64",
  "win32-x64-cuda",
  "win32-x64-vulkan",
];

describe("the table of packages", () => {
  it("gives each package a manifest with its platform, and makes all of them optional dependencies of the main one", () => {
    const [main, ...packages] = JSON.parse(print("manifests"));
    expect(main.optionalDependencies).toEqual(Object.fromEntries(names.map((name) => [`@jina-reranker/${name}`, version])));
    expect(main).not.toHaveProperty("private");
    expect(main).not.toHaveProperty("scripts");
    expect(packages.map(({ name }: { name: string }) => name)).toEqual(names.map((name) => `@jina-reranker/${name}`));
    for (const manifest of packages) {
      const [os, cpu] = manifest.name.split("/")[1].split("-");
      expect(manifest).toMatchObject({ version, os: [os], cpu: [cpu] });
      expect(manifest.libc).toEqual(os === "linux" ? ["glibc"] : undefined);
      expect(manifest).not.toHaveProperty("dependencies");
    }
  });

  it("gives the matrix a build command and a machine for each", () => {
    const { include } = JSON.parse(print("matrix"));
    expect(include.map(({ target }: { target: string }) => target)).toEqual(names);
    for (const row of include) {
      expect(row).toEqual({
        target: row.target,
        "runs-on": expect.stringMatching(/\w+-[\d.]+/),
        build: `node native/prebuild/build.mjs ${row.target}`,
      });
    }
  });

  it("agrees with the names that `info` prints", () => {
    for (const platform of ["linux-x64", "linux-arm64", "win32-x64", "win32-arm64"]) {
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

  it("refuses to build for another platform, naming both", () => {
    const other = process.platform === "win32" ? "linux-arm64" : "win32-x64";
    const script = join(root, "native", "prebuild", "build.mjs");
    const { status, stderr } = spawnSync(process.execPath, [script, other], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toContain(`${other} is built on ${other}, this is ${process.platform}-${process.arch}`);
  });
});
