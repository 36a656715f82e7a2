/**
 * Builds the libraries of packages, stripped, into build/packages/<target>/prebuilds/<platform>. Packages with the addon are
 * built through prebuildify; a GPU backend is one library.
 *
 *     node native/prebuild/build.mjs [TARGET…]                default: every target that can be built here
 *     node native/prebuild/build.mjs --container TARGET…      each in the container that targets.json names, with docker
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import prebuildify from "prebuildify";
import { buildNative } from "../build.mjs";
import { buildCommand, buildOf, machine, platformOf, systemOf, targetNamed, targetsHere } from "./targets.mjs";
import { vulkanTools } from "./vulkan-tools.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "..", "..");

export const stagingOf = (target) => join(root, "build", "packages", target.name);
export const librariesOf = (target) => join(stagingOf(target), "prebuilds", platformOf(target));

function requireCompiler(target) {
  if (buildOf(target)) return;
  const ways = [
    ...(target.cross?.on === machine ? [`with another compiler (Debian: ${target.cross.install})`] : []),
    ...(target.container ? [`in a container (${buildCommand(target).replace(target.name, `--container ${target.name}`)})`] : []),
  ];
  const elsewhere = ways.length > 0 ? `; it can be ${ways.join(" or ")}` : "";
  throw new Error(`${target.name} is built on ${systemOf(target)}, this is ${machine}${elsewhere}`);
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

/** What docker is told. The checkout has the same path in the container, because CMake writes absolute paths. */
export function containerArguments(target, { directory = root, user = "0:0" } = {}) {
  if (!target.container) throw new Error(`${target.name} has no container: it is built on ${target.runner}`);
  const command = [
    "sh native/prebuild/containers/prepare.sh",
    // The compilers of the container's newer toolset, where it has one.
    "export PATH=$(sh native/prebuild/containers/prepare.sh --path)",
    buildCommand(target),
    `chown -R ${user} build`,
  ].join(" && ");
  const platform = `linux/${target.cpu === "x64" ? "amd64" : target.cpu}`;
  const mounts = ["--volume", `${directory}:${directory}`, "--workdir", directory];
  return ["run", "--rm", "--platform", platform, ...mounts, target.container, "sh", "-c", command];
}

/** Builds a target in its container. llama.cpp and node_modules are the checkout's, so they must be there. */
function buildInContainer(target, log) {
  const user = process.getuid ? `${process.getuid()}:${process.getgid()}` : "0:0";
  const args = containerArguments(target, { user });
  log(`${target.name}: building in ${target.container}`);
  // A folder that was configured with another system's compilers cannot be used again.
  rmSync(join(root, "build", target.name), { recursive: true, force: true });
  const { status, error } = spawnSync("docker", args, { stdio: "inherit" });
  if (error || status !== 0) throw new Error(`${target.name}: ${error?.message ?? `docker ended with ${status}`}`);
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
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { container: { type: "boolean" } } });
    const named = positionals.map(targetNamed);
    if (values.container) for (const target of named) buildInContainer(target, (line) => process.stderr.write(`${line}\n`));
    else for (const target of named.length > 0 ? named : targetsHere()) await buildTarget(target);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
