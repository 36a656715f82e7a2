/**
 * The packages with built libraries, from the table targets.json, and what is made from it: manifests, build commands, CI's
 * matrix.
 *
 * A target of Linux names the container that builds it. Its libraries then need no newer system than the target promises
 * (`promises`, which symbols.mjs compares with them).
 *
 *     node native/prebuild/targets.mjs manifests | commands | matrix
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const main = JSON.parse(readFileSync(join(here, "..", "..", "package.json"), "utf8"));

export const targets = JSON.parse(readFileSync(join(here, "targets.json"), "utf8"));

export const packageName = ({ name }) => `@jina-reranker/${name}`;
/** The folder of libraries inside the package. */
export const platformOf = ({ os, cpu }) => `${os}-${cpu}`;
export const buildCommand = ({ name }) => `node native/prebuild/build.mjs ${name}`;

export function targetNamed(name) {
  const target = targets.find((candidate) => candidate.name === name);
  if (!target) throw new Error(`${name}: no such target; there are ${targets.map((candidate) => candidate.name).join(", ")}`);
  return target;
}

/** The system that a target is for, named like the package of its addon. */
export const systemOf = ({ os, cpu, libc }) => `${os}-${cpu}${libc === "musl" ? "-musl" : ""}`;

function machineLibc() {
  if (process.platform !== "linux") return undefined;
  return process.report.getReport().header.glibcVersionRuntime ? "glibc" : "musl";
}

export const machine = systemOf({ os: process.platform, cpu: process.arch, libc: machineLibc() });

export const runsHere = (target) => systemOf(target) === machine;

/** Options of a cross-compiler for this target; undefined = this machine has none. */
function crossOf({ cross }) {
  if (cross?.on !== machine || spawnSync(`${cross.compilers}-g++`, ["--version"]).status !== 0) return undefined;
  return {
    strip: `${cross.compilers}-strip`,
    definitions: [
      "-DCMAKE_SYSTEM_NAME=Linux",
      `-DCMAKE_SYSTEM_PROCESSOR=${cross.processor}`,
      `-DCMAKE_C_COMPILER=${cross.compilers}-gcc`,
      `-DCMAKE_CXX_COMPILER=${cross.compilers}-g++`,
    ],
  };
}

/** How a target is built on this machine; undefined = it cannot be. */
export function buildOf(target) {
  const { definitions, strip } = runsHere(target) ? { definitions: [], strip: "strip" } : (crossOf(target) ?? {});
  return definitions && { definitions: [...target.definitions, "-DJINA_RERANKER_TESTS=OFF", ...definitions], strip };
}

/** The targets that can be built here: first those of this platform, the addon's before the others, then other platforms'. */
export function targetsHere() {
  const possible = targets.filter(buildOf);
  return [...possible.filter(runsHere), ...possible.filter((target) => !runsHere(target))];
}

/**
 * `libraries`: file name -> sha256, which the loader compares before it opens a library. `requires`: the newest version of each
 * system library that they ask for, as symbols.mjs tells.
 */
export function manifestOf(target, libraries, requires = {}) {
  const { os, cpu, libc, description } = target;
  return {
    name: packageName(target),
    version: main.version,
    description: `jina-reranker for ${systemOf(target)}: ${description}`,
    license: `${main.license} AND MIT`,
    // A registry accepts a provenance only if the manifest names the repository that the package was built from.
    repository: main.repository,
    publishConfig: main.publishConfig,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    engines: main.engines,
    preferUnplugged: true,
    files: ["prebuilds", "LICENSES"],
    ...(Object.keys(requires).length > 0 && { requires }),
    libraries,
  };
}

/**
 * The manifest of jina-reranker: no script runs at installation, and npm picks the addon's package that fits the machine. Packages
 * for GPUs are large, and a machine's hardware says nothing to npm, so they are installed by name.
 */
export function mainManifest() {
  const { private: _, scripts, devDependencies, overrides, ...manifest } = main;
  return {
    ...manifest,
    files: [...manifest.files, "LICENSES"],
    optionalDependencies: Object.fromEntries(
      targets.filter(({ backend }) => backend === undefined).map((target) => [packageName(target), main.version]),
    ),
  };
}

/** In the form of GitHub's `strategy.matrix`. `container`: the image in which the target is built; empty = none. */
export function matrix() {
  return {
    include: targets.map((target) => ({
      target: target.name,
      "runs-on": target.runner,
      build: buildCommand(target),
      container: target.container ?? "",
    })),
  };
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const print = {
    manifests: () => JSON.stringify([mainManifest(), ...targets.map((target) => manifestOf(target, {}))], null, 2),
    commands: () => targets.map((target) => `${target.runner}: ${buildCommand(target)}    needs ${target.needs}`).join("\n"),
    matrix: () => JSON.stringify(matrix()),
  }[process.argv[2]];
  if (print) process.stdout.write(`${print()}\n`);
  else {
    process.stderr.write("Usage: node native/prebuild/targets.mjs manifests | commands | matrix\n");
    process.exitCode = 2;
  }
}
