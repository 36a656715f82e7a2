/** What built libraries ask of a system is read from their files, and is never more than their package's target promises. */

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
// @ts-expect-error: build scripts are plain JavaScript, which a checkout runs before there is TypeScript
import { brokenPromises, compareVersions, neededBy, newest, requirements } from "../../native/prebuild/symbols.mjs";
import { builtLibraries } from "../support/installation.js";

describe("versions", () => {
  it.each([
    ["2.28", "2.34", -1],
    ["2.34", "2.28", 1],
    ["2.4", "2.28", -1],
    ["2.28", "2.28", 0],
    ["2.2.5", "2.3", -1],
    ["3.4", "3.4.25", -1],
    ["3.4.9", "3.4.25", -1],
  ])("%s beside %s", (a, b, expected) => {
    expect(Math.sign(compareVersions(a, b))).toBe(expected);
  });

  it("are the newest of each kind", () => {
    expect(
      newest(["GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.4", "GLIBCXX_3.4", "GLIBCXX_3.4.9", "CXXABI_1.3", "GLIBC_PRIVATE"]),
    ).toEqual({
      GLIBC: "2.34",
      GLIBCXX: "3.4.9",
      CXXABI: "1.3",
    });
  });
});

const old = { name: "linux-x64", libc: "glibc", promises: { GLIBC: "2.28", GLIBCXX: "3.4.25" } };
const musl = { name: "linux-x64-musl", libc: "musl" };

describe("a promise", () => {
  it.each<[string, typeof old | typeof musl, string[], string[]]>([
    ["is kept by what is older", old, ["GLIBC_2.2.5", "GLIBC_2.17", "GLIBCXX_3.4.21"], []],
    ["is kept by what is as old", old, ["GLIBC_2.28", "GLIBCXX_3.4.25"], []],
    ["is broken by one newer symbol", old, ["GLIBC_2.4", "GLIBC_2.34"], ["a.so asks for GLIBC_2.34, linux-x64 promises 2.28"]],
    [
      "is one for each library",
      old,
      ["GLIBC_2.29", "GLIBCXX_3.4.30"],
      ["a.so asks for GLIBC_2.29, linux-x64 promises 2.28", "a.so asks for GLIBCXX_3.4.30, linux-x64 promises 3.4.25"],
    ],
    ["is not made about what is not named", old, ["CXXABI_1.3.13", "GCC_3.4"], []],
    [
      "of musl is broken by any symbol of glibc",
      musl,
      ["GLIBC_2.2.5"],
      ["a.so asks for GLIBC_2.2.5, linux-x64-musl is for musl"],
    ],
    ["of musl is kept without one", musl, ["GLIBCXX_3.4.30"], []],
  ])("%s", (_, target, versions, expected) => {
    expect(brokenPromises(target, new Map([["a.so", versions]]))).toEqual(expected);
  });

  it("in a manifest is what the libraries ask for, together", () => {
    const asked = new Map([
      ["a.so", ["GLIBC_2.34", "GLIBCXX_3.4.9", "GCC_3.0"]],
      ["b.so", ["GLIBC_2.4", "GLIBCXX_3.4.30"]],
    ]);
    expect(requirements(asked)).toEqual({ GLIBC: "2.34", GLIBCXX: "3.4.30" });
    expect(requirements(new Map())).toEqual({});
  });
});

const libraries = existsSync(builtLibraries)
  ? readdirSync(builtLibraries)
      .filter((file) => /\.(node|so)$/.test(file))
      .map((file) => join(builtLibraries, file))
  : [];

describe.skipIf(process.platform !== "linux")("real files", () => {
  it.skipIf(spawnSync("objdump", ["--version"]).status !== 0).each([process.execPath, ...libraries])(
    "%s asks for what objdump says",
    (path) => {
      const { libraries: needed, versions } = neededBy(readFileSync(path));
      const { stdout } = spawnSync("objdump", ["-p", path], { encoding: "utf8" });
      expect(needed).toEqual([...stdout.matchAll(/^ +NEEDED +(\S+)$/gm)].map(([, name]) => name));
      const [, references = ""] = stdout.split("Version References:");
      const said = [...references.matchAll(/^ +0x[0-9a-f]+ 0x[0-9a-f]+ \d+ (\S+)$/gm)].map(([, name]) => name);
      expect(said.length).toBeGreaterThan(2);
      expect(versions).toEqual([...new Set(said)].sort());
    },
  );

  it("that are no libraries are refused", () => {
    expect(() => neededBy(readFileSync(import.meta.filename))).toThrow("no 64-bit little-endian ELF file");
    expect(() => neededBy(Buffer.alloc(10))).toThrow("no 64-bit little-endian ELF file");
  });
});
