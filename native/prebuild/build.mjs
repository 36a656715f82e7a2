/**
 * Builds the libraries of packages, stripped, into build/packages/<target>/prebuilds/<platform>. Packages with the addon are
 * built through prebuildify; a GPU backend is one library.
 *
 *     node native/prebuild/build.mjs [TARGET…]        default: every target that can be built here
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import prebuildify from "prebuildify";
import { buildNative } from "../build.mjs";
import { buildOf, platformOf, targetNamed, targetsHere } from "./targets.mjs";
import { vulkanTools } from "./vulkan-tools.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "..", "..");

export const stagingOf = (target) => join(root, "build", "packages", target.name);
export const librariesOf = (target) => join(stagingOf(target), "prebuilds", platformOf(target));

function requireCompiler(target) {
  if (buildOf(target)) return;
  const machine = `${process.platform}-${process.arch}`;
  const compiler = target.cross?.on === machine ? `; it can be with another compiler (Debian: ${target.cross.install})` : "";
  throw new Error(`${target.name} is built on ${platformOf(target)}, this is ${machine}${compiler}`);
}

function buildAddon(target) {
  const shim = join(here, "node-gyp-shim.mjs");
  process.env.JINA_RERANKER_TARGET = target.name;
  const options = {
    cwd: stagingOf(target),
    name: "jina_reranker",
    targets: [{ runtime: "node", target: process.versions.node }],
    arch: target.cpu,
    napi: true,
    tagLibc: target.libc !== undefined,
    strip: true,
    stripBin: buildOf(target).strip,
    // Windows ignores a script's #! line.
    nodeGyp: process.platform === "win32" ? `"${process.execPath}" "${shim}"` : shim,
  };
  return new Promise((done, fail) => prebuildify(options, (error) => (error ? fail(error) : done())));
}

async function buildBackend(target, log) {
  const windows = process.platform === "win32";
  const file = windows ? `ggml-${target.backend}.dll` : `libggml-${target.backend}.so`;
  const definitions = [...buildOf(target).definitions, ...toolsFor(target, log)];
  const built = await buildNative({
    directory: join(root, "build", target.name),
    library: { target: `ggml-${target.backend}`, file },
    definitions,
    log,
  });
  mkdirSync(librariesOf(target), { recursive: true });
  const copy = join(librariesOf(target), file);
  copyFileSync(join(built, file), copy);
  if (!windows && spawnSync("strip", ["--strip-unneeded", copy]).status !== 0) throw new Error(`${copy} could not be stripped`);
}

/** Debian's own shader compiler is new enough only in its newest release. Elsewhere a newer one is fetched. */
function toolsFor(target, log) {
  if (target.backend !== "vulkan" || process.platform !== "linux" || process.env.VULKAN_SDK) return [];
  return vulkanTools({ log });
}

/** Builds a target. Returns the folder of its libraries. */
export async function buildTarget(target, log = (line) => process.stderr.write(`${line}\n`)) {
  requireCompiler(target);
  log(`${target.name}: building`);
  rmSync(stagingOf(target), { recursive: true, force: true });
  mkdirSync(stagingOf(target), { recursive: true });
  if (target.backend === undefined) await buildAddon(target);
  else await buildBackend(target, log);
  rmSync(join(stagingOf(target), "build"), { recursive: true, force: true });
  return librariesOf(target);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const names = process.argv.slice(2);
    for (const target of names.length > 0 ? names.map(targetNamed) : targetsHere()) await buildTarget(target);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
