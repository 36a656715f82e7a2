/**
 * Checks the layout of our C++ in native/, test/native/ and bench/native/ with clang-format, in the version that package.json
 * pins. Rewrites it with --write.
 *
 *     node native/format.mjs [--write]
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { filesBelow } from "./content-hash.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** The folders with our C++. */
export const cppFolders = ["native", "test/native", "bench/native"];

/** The binary in the npm package; undefined = it has none for this machine. */
function clangFormat() {
  const folder = join(dirname(createRequire(import.meta.url).resolve("clang-format/package.json")), "bin");
  const names = {
    "linux-x64": "linux_x64/clang-format",
    "darwin-x64": "darwin_x64/clang-format",
    "win32-x64": "win32/clang-format.exe",
  };
  // On Apple silicon, Rosetta runs the x64 binary.
  const name = names[`${process.platform}-${process.platform === "darwin" ? "x64" : process.arch}`];
  return name && existsSync(join(folder, name)) ? join(folder, name) : undefined;
}

/** Returns "passed", "failed" or "not run". */
export function format({ write = false, log = (line) => process.stderr.write(`${line}\n`) } = {}) {
  const binary = clangFormat();
  if (!binary) {
    log(`clang-format was not run: the npm package clang-format has no binary for ${process.platform}-${process.arch}`);
    return process.env.CI ? "failed" : "not run";
  }
  const files = cppFolders.flatMap((folder) => filesBelow(root, folder)).filter((file) => /\.(h|cpp)$/.test(file));
  if (files.length === 0) return "passed";
  const mode = write ? ["-i"] : ["--dry-run", "--Werror"];
  const { status, stderr, error } = spawnSync(binary, ["--style=file", ...mode, ...files], { cwd: root, encoding: "utf8" });
  if (status === 0) return "passed";
  log(`${stderr ?? ""}${error?.message ?? ""}`.trim());
  if (!write) log("clang-format: the layout differs; run npm run format");
  return "failed";
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (format({ write: process.argv.includes("--write") }) === "failed") process.exitCode = 1;
}
