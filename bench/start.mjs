/**
 * `npm run bench`: sets up what is missing (the project, the harness's own dependencies, llama-server), checks the types,
 * and runs the harness with the flags it was given.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..");

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} [cwd]
 */
function run(command, args, cwd = root) {
  // What is set up is told on stderr: stdout is the table's.
  const { status } = spawnSync(command, args, { cwd, stdio: ["ignore", 2, "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
}

/** The lock file that the installed packages came from is kept beside them. */
function installDependencies() {
  const lock = readFileSync(join(here, "package-lock.json"), "utf8");
  const stamp = join(here, "node_modules", ".installed-lock.json");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  // Not `npm ci`: the lock file cannot name node-llama-cpp's packages for platforms that the registry it was written from
  // does not have, and `ci` asks for every one of them.
  run("npm", ["install", "--no-save", "--no-audit", "--no-fund"], here);
  writeFileSync(stamp, lock);
}

run(process.execPath, [join(root, "native/setup.mjs")]);
installDependencies();
run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "--noEmit", "-p", here]);
run(process.execPath, [join(here, "rivals/llama-server.mjs")]);
const { status } = spawnSync(process.execPath, [join(here, "main.mjs"), ...process.argv.slice(2)], { stdio: "inherit" });
process.exitCode = status ?? 1;
