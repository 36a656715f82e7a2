/**
 * Runs clang-tidy over our C++, not llama.cpp's, with the rules of .clang-tidy and the flags of build/compile_commands.json.
 *
 *     node native/lint.mjs [FILE…]
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { cppFolders } from "./format.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const databaseDirectory = join(root, "build", "lint");
const ours = cppFolders.map((folder) => join(root, folder, "/"));

/** Absolute paths of our files that the build compiles. Writes their compile commands to build/lint. */
function compiledFiles() {
  const commands = new Map();
  for (const command of JSON.parse(readFileSync(join(root, "build", "compile_commands.json"), "utf8"))) {
    const file = resolve(command.directory, command.file);
    // The sanitizer build compiles the same files again. clang-tidy would check a file once for each command.
    if (ours.some((folder) => file.startsWith(folder)) && !commands.has(file)) commands.set(file, command);
  }
  mkdirSync(databaseDirectory, { recursive: true });
  writeFileSync(join(databaseDirectory, "compile_commands.json"), JSON.stringify([...commands.values()]));
  return [...commands.keys()].sort();
}

function check(file, flags) {
  return new Promise((done) => {
    const args = ["--quiet", "-p", databaseDirectory, "--warnings-as-errors=*", ...flags, file];
    const child = spawn("clang-tidy", args, { cwd: root });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      out += chunk;
    });
    // Standard error holds only a count of suppressed warnings, unless clang-tidy failed.
    let err = "";
    child.stderr.setEncoding("utf8").on("data", (chunk) => {
      err += chunk;
    });
    child.on("close", (status) => done({ file, ok: status === 0, text: out || err }));
  });
}

/** Returns "passed", "failed" or "not run". Without `thorough` the tests are left out, and the checks that follow paths, which take longest. */
export async function lint({ only = [], thorough = true, log = (line) => process.stderr.write(`${line}\n`) } = {}) {
  if (spawnSync("clang-tidy", ["--version"]).status !== 0) {
    log("C++ lint was not run: clang-tidy is not on PATH (Debian: apt-get install clang-tidy)");
    return process.env.CI ? "failed" : "not run";
  }
  if (!existsSync(join(root, "build", "compile_commands.json"))) {
    log("C++ lint was not run: build/compile_commands.json is missing; run node native/build.mjs");
    return "failed";
  }
  const wanted = only.map((file) => resolve(file));
  const tests = join(root, "test", "/");
  const files = compiledFiles()
    .filter((file) => wanted.length === 0 || wanted.includes(file))
    .filter((file) => thorough || !file.startsWith(tests));
  if (files.length === 0) {
    log("clang-tidy: the build compiles no such file");
    return "failed";
  }
  const flags = thorough ? [] : ["--checks=-clang-analyzer-*"];
  const waiting = [...files];
  let failed = 0;
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await check(file, flags);
      if (result.ok) continue;
      failed += 1;
      log(`clang-tidy: ${relative(root, file)}\n${result.text.trim()}`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  log(`clang-tidy: ${files.length} files, ${failed} with findings`);
  return failed === 0 ? "passed" : "failed";
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if ((await lint({ only: process.argv.slice(2) })) === "failed") process.exitCode = 1;
}
