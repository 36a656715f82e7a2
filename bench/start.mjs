/**
 * `npm run bench`: sets up what is missing (the project, the harness's own dependencies, llama-server), checks the types, and
 * runs the harness with the given flags.
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
  // Progress goes to stderr, because stdout is for the table.
  const { status } = spawnSync(command, args, { cwd, stdio: ["ignore", 2, "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
}

/** A copy of the lock file that the installed packages came from lies beside them. */
function installDependencies() {
  const lock = readFileSync(join(here, "package-lock.json"), "utf8");
  const stamp = join(here, "node_modules", ".installed-lock.json");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  // Not `npm ci`: it wants every package in the lock file, and the lock file lacks node-llama-cpp's packages for some platforms.
  run("npm", ["install", "--no-save", "--no-audit", "--no-fund"], here);
  writeFileSync(stamp, lock);
}

run(process.execPath, [join(root, "native/setup.mjs")]);
installDependencies();
run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "--noEmit", "-p", here]);
run(process.execPath, [join(here, "rivals/llama-server.mjs")]);
const { status } = spawnSync(process.execPath, [join(here, "main.mjs"), ...process.argv.slice(2)], { stdio: "inherit" });
process.exitCode = status ?? 1;
