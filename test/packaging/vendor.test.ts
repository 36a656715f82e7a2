/**
 * Fetching llama.cpp, in child processes on a copy of vendor/ whose pin names a small bundle made here. `npm` on PATH is a script
 * that copies a tarball and records the call, so nothing is fetched.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const vendor = join(import.meta.dirname, "..", "..", "vendor");

let directory: string;
let commit: string;
let environment: NodeJS.ProcessEnv;

/** A bundle of a repository with one commit and include/llama.h, like the one in the npm package. */
function makeBundle(path: string): string {
  const repository = join(directory, "upstream");
  mkdirSync(join(repository, "include"), { recursive: true });
  writeFileSync(join(repository, "include", "llama.h"), "// llama.cpp\n");
  const git = (...args: string[]) => execFileSync("git", ["-C", repository, ...args], { encoding: "utf8" }).trim();
  git("init", "--quiet", "--initial-branch=master");
  git("add", ".");
  git("-c", "user.name=test", "-c", "user.email=test@example.invalid", "commit", "--quiet", "--message=one");
  git("bundle", "create", "--quiet", path, "HEAD", "master");
  return git("rev-parse", "HEAD");
}

function writePin(change: Record<string, string> = {}): void {
  const pin: Record<string, unknown> = JSON.parse(readFileSync(join(vendor, "llama.cpp.json"), "utf8"));
  const sha512 = createHash("sha512")
    .update(readFileSync(join(directory, "package.tgz")))
    .digest("base64");
  const own = { ...pin, commit, integrity: `sha512-${sha512}`, ...change };
  writeFileSync(join(directory, "vendor", "llama.cpp.json"), JSON.stringify(own));
}

function materialise(change: NodeJS.ProcessEnv = {}) {
  const { status, stderr } = spawnSync(process.execPath, [join(directory, "vendor", "materialise.mjs")], {
    encoding: "utf8",
    env: { ...environment, ...change },
  });
  return { status, stderr };
}

/** Packs members of a folder as llama.cpp.tar.br. `rename` is a sed expression for GNU tar's --transform. */
function pack(folder: string, members: readonly string[], rename = ""): void {
  const options = ["--absolute-names", ...(rename === "" ? [] : [`--transform=${rename}`])];
  const tar = execFileSync("tar", [...options, "-C", join(directory, folder), "-cf", "-", ...members]);
  writeFileSync(join(directory, "vendor", "llama.cpp.tar.br"), brotliCompressSync(tar));
}

const vendored = () => readdirSync(join(directory, "vendor")).sort();

/** Paths and contents of all files in the test's folder. */
function snapshot(): Record<string, string> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(files.map((path) => [path, readFileSync(path, "base64")]));
}

/** The number of calls of `npm pack`. */
function fetches(): number {
  const notes = join(directory, "calls");
  return existsSync(notes) ? readFileSync(notes, "utf8").trim().split("\n").length : 0;
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "jina-reranker-vendor-"));
  mkdirSync(join(directory, "vendor"));
  copyFileSync(join(vendor, "materialise.mjs"), join(directory, "vendor", "materialise.mjs"));
  mkdirSync(join(directory, "package", "llama"), { recursive: true });
  commit = makeBundle(join(directory, "package", "llama", "gitRelease.bundle"));
  execFileSync("tar", ["-czf", "package.tgz", "package"], { cwd: directory });
  writePin();

  const programs = join(directory, "bin");
  mkdirSync(programs);
  const script = `#!/bin/sh\necho "$@" >> "${directory}/calls"\nfor last; do :; done\ncp "${directory}/package.tgz" "$last/"\n`;
  writeFileSync(join(programs, "npm"), script);
  chmodSync(join(programs, "npm"), 0o755);
  const { LLAMA_CPP_DIR: _, ...rest } = process.env;
  environment = { ...rest, PATH: `${programs}${delimiter}${process.env.PATH}` };
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("materialise", () => {
  it("fetches the pinned commit, and a second run fetches and prints nothing", () => {
    const first = materialise();
    expect(first.status, first.stderr).toBe(0);
    expect(first.stderr).toMatch(/about \d+ MB/);
    const target = join(directory, "vendor", "llama.cpp");
    expect(execFileSync("git", ["-C", target, "rev-parse", "HEAD"], { encoding: "utf8" }).trim()).toBe(commit);

    expect(materialise()).toEqual({ status: 0, stderr: "" });
    expect(fetches()).toBe(1);
  });

  it("refuses a tarball that is not the pinned one, and leaves no trace of it", () => {
    const pinned = `sha512-${Buffer.alloc(64).toString("base64")}`;
    writePin({ integrity: pinned });
    const { status, stderr } = materialise();
    expect(status).toBe(1);
    expect(stderr).toContain("is not what was pinned");
    expect(stderr).toContain(pinned);
    expect(readdirSync(join(directory, "vendor")).sort()).toEqual(["llama.cpp.json", "materialise.mjs"]);
  });

  it("refuses a bundle of another commit", () => {
    writePin({ commit: "0".repeat(40) });
    const { status, stderr } = materialise();
    expect(status).toBe(1);
    expect(stderr).toContain(`the bundle holds commit ${commit}, the pin names ${"0".repeat(40)}`);
    expect(existsSync(join(directory, "vendor", "llama.cpp"))).toBe(false);
  });

  it("replaces a checkout that is not the pinned commit", () => {
    expect(materialise().status).toBe(0);
    const target = join(directory, "vendor", "llama.cpp");
    const author = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"];
    execFileSync("git", ["-C", target, ...author, "commit", "--quiet", "--allow-empty", "--message=another"]);
    expect(materialise().status).toBe(0);
    expect(execFileSync("git", ["-C", target, "rev-parse", "HEAD"], { encoding: "utf8" }).trim()).toBe(commit);
  });

  it("accepts sources without git, as in a published package", () => {
    mkdirSync(join(directory, "vendor", "llama.cpp", "include"), { recursive: true });
    writeFileSync(join(directory, "vendor", "llama.cpp", "include", "llama.h"), "");
    expect(materialise()).toEqual({ status: 0, stderr: "" });
    expect(fetches()).toBe(0);
  });

  it("unpacks the archive of a published package", () => {
    pack("upstream", ["include"]);
    expect(materialise()).toMatchObject({ status: 0, stderr: expect.stringContaining("unpacking vendor/llama.cpp.tar.br") });
    expect(readFileSync(join(directory, "vendor", "llama.cpp", "include", "llama.h"), "utf8")).toBe("// llama.cpp\n");
    expect(vendored()).toEqual(["llama.cpp", "llama.cpp.json", "llama.cpp.tar.br", "materialise.mjs"]);
    expect(fetches()).toBe(0);
  });

  it.each(["../outside", "/jina-reranker-outside", "include/../../outside", "..", "link", "link/file", "hard link"])(
    "writes nothing outside of its folder: an archive with %j is refused",
    (name) => {
      const upstream = join(directory, "upstream");
      const outside = join(directory, "outside");
      writeFileSync(outside, "mine");
      if (name.startsWith("link")) symlinkSync(directory, join(upstream, "link"));
      if (name === "hard link") linkSync(join(upstream, "include", "llama.h"), join(upstream, "hard link"));
      writeFileSync(join(upstream, "file"), "theirs");
      // The member has another name in the archive than on the disk.
      const renamed = name.includes("link") ? (name === "link/file" ? `s|^file|${name}|` : "") : `s|^file|${name}|`;
      const members = name === "link/file" ? ["include", "link", "file"] : name.includes("link") ? ["include", name] : ["file"];
      pack("upstream", members, renamed);
      const before = snapshot();
      const { status, stderr } = materialise();
      expect(status).toBe(1);
      expect(stderr).toMatch(
        /^llama\.cpp [\s\S]*llama\.cpp\.tar\.br: ".*": expected files and folders that lie in the archive's own folder\n$/,
      );
      expect(snapshot()).toEqual(before);
    },
  );

  it.each([
    { what: "a header", damage: (tar: Buffer) => tar.fill(0x37, 100, 108), said: "damaged at byte 0" },
    { what: "its end", damage: (tar: Buffer) => tar.subarray(0, 1024), said: "cut" },
    { what: "half a file", damage: (tar: Buffer) => tar.subarray(0, 1600), said: "cut" },
  ])("names an archive with $what damaged or missing", ({ damage, said }) => {
    writeFileSync(join(directory, "upstream", "large"), Buffer.alloc(5000, 0x61));
    const tar = execFileSync("tar", ["-C", join(directory, "upstream"), "-cf", "-", "large"]);
    writeFileSync(join(directory, "vendor", "llama.cpp.tar.br"), brotliCompressSync(damage(tar)));
    const { status, stderr } = materialise();
    expect([status, stderr]).toEqual([1, expect.stringContaining(`llama.cpp.tar.br: ${said}`)]);
    expect(vendored()).not.toContain("llama.cpp");
  });

  it("uses LLAMA_CPP_DIR and fetches nothing", () => {
    const { status, stderr } = materialise({ LLAMA_CPP_DIR: join(directory, "upstream") });
    expect(status).toBe(0);
    expect(stderr).toContain(`LLAMA_CPP_DIR=${join(directory, "upstream")}`);
    expect(fetches()).toBe(0);
  });

  it("names LLAMA_CPP_DIR when it is no llama.cpp checkout", () => {
    const { status, stderr } = materialise({ LLAMA_CPP_DIR: join(directory, "bin") });
    expect(status).toBe(1);
    expect(stderr).toBe(
      `LLAMA_CPP_DIR: expected a llama.cpp checkout, got ${join(directory, "bin")}, which has no include/llama.h\n`,
    );
  });
});
