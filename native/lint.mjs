/**
 * clang-tidy over our own C++ (never llama.cpp's), as .clang-tidy says, with the flags of build/compile_commands.json.
 *
 *     node native/lint.mjs [FILE…]
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** Our files that the build compiles, absolute. */
function compiledFiles() {
  const commands = JSON.parse(readFileSync(join(root, "build", "compile_commands.json"), "utf8"));
  const ours = commands
    .map(({ file, directory }) => resolve(directory, file))
    .filter((file) => file.startsWith(join(root, "native/")));
  return [...new Set(ours)].sort();
}

function check(file) {
  return new Promise((done) => {
    const child = spawn("clang-tidy", ["--quiet", "-p", "build", "--warnings-as-errors=*", file], { cwd: root });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      out += chunk;
    });
    // Standard error holds only a count of suppressed warnings, unless the compiler could not start.
    let err = "";
    child.stderr.setEncoding("utf8").on("data", (chunk) => {
      err += chunk;
    });
    child.on("close", (status) => done({ file, ok: status === 0, text: status === 0 ? "" : out || err }));
  });
}

/** "passed", "failed" or "not run". */
export async function lint({ only = [], log = (line) => process.stderr.write(`${line}\n`) } = {}) {
  if (spawnSync("clang-tidy", ["--version"]).status !== 0) {
    log("C++ lint was not run: clang-tidy is not on PATH (Debian: apt-get install clang-tidy)");
    return process.env.CI ? "failed" : "not run";
  }
  if (!existsSync(join(root, "build", "compile_commands.json"))) {
    log("C++ lint needs build/compile_commands.json: node native/build.mjs writes it");
    return "failed";
  }
  const wanted = only.map((file) => resolve(file));
  const files = compiledFiles().filter((file) => wanted.length === 0 || wanted.includes(file));
  const waiting = [...files];
  let failed = 0;
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await check(file);
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
