/**
 * Makes the packages that are published: lays each out in build/packages, packs it with npm and checks its size.
 *
 *     node native/prebuild/pack.mjs [--promised] [--destination FOLDER]
 *         the main package, and all targets that native/prebuild/build.mjs has built
 *     node native/prebuild/pack.mjs [--promised] [--destination FOLDER] TARGET…
 *         these only; `main` is the main package
 *     node native/prebuild/pack.mjs --libraries FOLDER [--destination FOLDER] TARGET
 *         one target, from a folder of libraries
 *
 * Libraries that ask for a newer system than their target promises were not built in its container. This is told, and the
 * manifest has what they ask for; with --promised they are refused.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { librariesOf, stagingOf } from "./build.mjs";
import { writeLicenses } from "./licenses.mjs";
import { llamaSources } from "./sources.mjs";
import { askedBy, brokenPromises, requirements } from "./symbols.mjs";
import { buildCommand, mainManifest, manifestOf, packageName, platformOf, targetNamed, targetsHere } from "./targets.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
const megabyte = 1e6;
const limits = { main: 3 * megabyte, addon: 25 * megabyte };

function npmPack(directory, destination) {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const output = execFileSync(npm, ["pack", "--json", "--ignore-scripts", "--pack-destination", destination], {
    cwd: directory,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    shell: process.platform === "win32",
  });
  const [{ filename, size, unpackedSize }] = JSON.parse(output);
  return { file: join(destination, filename.replace("@", "").replace("/", "-")), size, unpackedSize };
}

function requireLimit(name, bytes, limit) {
  if (bytes <= limit) return;
  throw new Error(`${name}: expected at most ${limit / megabyte} MB, got ${(bytes / megabyte).toFixed(1)} MB`);
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}

const sha256 = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");

/** `libraries` is a folder of built libraries. A package with the addon gets all of them except GPU backends. */
export function packTarget(
  target,
  { libraries = librariesOf(target), staging = stagingOf(target), destination, promised = false, log = () => {} },
) {
  const folder = join(staging, "prebuilds", platformOf(target));
  if (resolve(libraries) !== resolve(folder)) {
    rmSync(staging, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const file of readdirSync(libraries)) {
      const gpu = /ggml-(cuda|vulkan)\.(so|dll)$/.test(file);
      if (/\.(node|so|dll|dylib)$/.test(file) && gpu === (target.backend !== undefined))
        copyFileSync(join(libraries, file), join(folder, file));
    }
  }
  const files = existsSync(folder) ? readdirSync(folder).sort() : [];
  const wanted = target.backend === undefined ? /\.node$/ : new RegExp(`ggml-${target.backend}\\.`);
  if (!files.some((file) => wanted.test(file))) throw new Error(`${target.name} is not built: ${buildCommand(target)}`);
  const asked = target.os === "linux" ? askedBy(folder, files) : new Map();
  const broken = brokenPromises(target, asked);
  if (broken.length > 0) {
    const lines = `${target.name} was not built in its container:\n  ${broken.join("\n  ")}`;
    if (promised) throw new Error(lines);
    log(lines);
  }
  const checksums = Object.fromEntries(files.map((file) => [file, sha256(join(folder, file))]));
  writeJson(join(staging, "package.json"), manifestOf(target, checksums, requirements(asked)));
  copyFileSync(join(root, "LICENSE"), join(staging, "LICENSE"));
  writeLicenses(join(staging, "LICENSES"));
  const packed = npmPack(staging, destination);
  if (target.backend === undefined) requireLimit(packageName(target), packed.unpackedSize, limits.addon);
  return { name: packageName(target), ...packed };
}

/** The main package, without built files. Its sources of llama.cpp do not count towards its size limit. */
export function packMain({ staging = join(root, "build", "packages", "main"), destination, log }) {
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  const manifest = mainManifest();
  const stamp = join(root, "dist", ".stamp.json");
  for (const entry of manifest.files) {
    const source = join(root, entry);
    if (existsSync(source)) cpSync(source, join(staging, entry), { recursive: true, filter: (path) => path !== stamp });
  }
  for (const file of ["README.md", "LICENSE"]) copyFileSync(join(root, file), join(staging, file));
  writeJson(join(staging, "package.json"), manifest);
  const { archive, vocabulary } = llamaSources(log);
  writeLicenses(join(staging, "LICENSES"));
  copyFileSync(vocabulary, join(staging, "dist", "demo", "qwen2-vocabulary.gguf.br"));
  const without = npmPack(staging, destination);
  requireLimit(`${manifest.name} without llama.cpp's sources`, without.size, limits.main);
  copyFileSync(archive, join(staging, "vendor", "llama.cpp.tar.br"));
  return { name: manifest.name, ...npmPack(staging, destination), sizeWithoutSources: without.size };
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const log = (line) => process.stderr.write(`${line}\n`);
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        destination: { type: "string", default: join(root, "build", "packages") },
        libraries: { type: "string" },
        promised: { type: "boolean", default: false },
      },
    });
    const destination = resolve(values.destination);
    mkdirSync(destination, { recursive: true });
    const names = positionals.filter((name) => name !== "main");
    const targets =
      positionals.length > 0 ? names.map(targetNamed) : targetsHere().filter((target) => existsSync(librariesOf(target)));
    // With --libraries the layout goes to another folder, so that it does not replace libraries built for publishing.
    const from = values.libraries && { libraries: resolve(values.libraries) };
    const packed = targets.map((target) =>
      packTarget(target, {
        destination,
        promised: values.promised,
        log,
        ...(from && { ...from, staging: join(destination, target.name) }),
      }),
    );
    const withMain = positionals.length === 0 ? !from : positionals.includes("main");
    if (withMain) packed.unshift(packMain({ destination, staging: join(destination, "main"), log }));
    for (const { file, size, unpackedSize } of packed) {
      const [compressed, unpacked] = [size, unpackedSize].map((bytes) => `${(bytes / megabyte).toFixed(2)} MB`);
      log(`${file}  ${compressed}, ${unpacked} unpacked, sha256 ${sha256(file)}`);
    }
  } catch (error) {
    log(error.message);
    process.exitCode = 1;
  }
}
