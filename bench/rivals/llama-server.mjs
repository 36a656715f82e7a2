/**
 * Builds llama.cpp's own server from the vendored sources into bench/build/, with upstream's defaults. Only the instruction sets
 * are those of our build, so that neither has an advantage.
 *
 *     node bench/rivals/llama-server.mjs [--avx2]        for any processor with AVX2
 */

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { avx2Flags, cpuDefinitions } from "../../native/cpu-features.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** Folders where our addon's libraries can be. */
function ourLibraries() {
  const root = join(here, "../..");
  const folders = [join(root, "build/Release"), join(root, "prebuilds", `${process.platform}-${process.arch}`)];
  return folders.filter((folder) => existsSync(folder)).flatMap((folder) => readdirSync(folder));
}

const avx2 = process.argv.includes("--avx2");
const allVariants = () => !avx2 && ourLibraries().some((name) => /^libggml-cpu-.+\.so$/.test(name));

const buildDirectory = () =>
  join(here, "../build", avx2 ? "llama-server-avx2" : allVariants() ? "llama-server-all-variants" : "llama-server");

/** Its CMake definitions. */
const options = () => [
  "-DCMAKE_BUILD_TYPE=Release",
  "-DBUILD_SHARED_LIBS=ON",
  "-DGGML_BACKEND_DL=ON",
  "-DGGML_NATIVE=OFF",
  ...(allVariants()
    ? ["-DGGML_CPU_ALL_VARIANTS=ON"]
    : ["-DGGML_CPU_ALL_VARIANTS=OFF", ...cpuDefinitions(avx2 ? avx2Flags : undefined)]),
  // Library names without versions, like ours, so that it can load the CUDA backend of our build.
  "-DCMAKE_PLATFORM_NO_VERSIONED_SONAME=ON",
  // It finds its libraries beside it, also after its folder was moved.
  "-DCMAKE_BUILD_RPATH_USE_ORIGIN=ON",
  "-DLLAMA_BUILD_TESTS=OFF",
  "-DLLAMA_BUILD_EXAMPLES=OFF",
  "-DLLAMA_BUILD_TOOLS=ON",
  "-DLLAMA_BUILD_SERVER=ON",
  "-DLLAMA_BUILD_APP=OFF",
  "-DLLAMA_BUILD_UI=OFF",
  "-DLLAMA_USE_PREBUILT_UI=OFF",
  "-DLLAMA_OPENSSL=OFF",
];

/** Holds the definitions of a complete build. */
const stampPath = () => join(buildDirectory(), "configured-with.txt");

/** @returns {string | undefined} Undefined when it is not built, or with other options. LLAMA_SERVER names another one. */
export function llamaServerPath() {
  if (process.env.LLAMA_SERVER !== undefined) return process.env.LLAMA_SERVER;
  const path = join(buildDirectory(), "bin/llama-server");
  const whole = existsSync(path) && existsSync(stampPath()) && readFileSync(stampPath(), "utf8") === options().join("\n");
  return whole ? path : undefined;
}

/** @param {readonly string[]} args */
function cmake(args) {
  const { status, stdout, stderr, error } = spawnSync("cmake", args, { encoding: "utf8", maxBuffer: 1 << 28 });
  if (status !== 0) {
    const said = `${stdout ?? ""}${stderr ?? ""}`.split("\n").slice(-40).join("\n");
    throw new Error(`${said}\ncmake ${args.join(" ")} failed${error ? `: ${error.message}` : ""}`);
  }
}

/**
 * Does nothing if it is built already.
 *
 * @param {(line: string) => void} [log]
 * @returns {string} Its path.
 */
export function buildLlamaServer(log = (line) => process.stderr.write(`${line}\n`)) {
  const present = llamaServerPath();
  if (present !== undefined) {
    shareCuda(dirname(present));
    return present;
  }
  const directory = buildDirectory();
  log(`building llama-server in ${directory}, about 8 minutes on 2 cores, once`);
  mkdirSync(directory, { recursive: true });
  // CMake refuses the cache of a checkout that was moved.
  rmSync(join(directory, "CMakeCache.txt"), { force: true });
  rmSync(stampPath(), { force: true });
  const ccache = spawnSync("ccache", ["--version"]).status === 0;
  cmake([
    "-S",
    realpathSync(process.env.LLAMA_CPP_DIR ?? join(here, "../../vendor/llama.cpp")),
    "-B",
    directory,
    ...options(),
    ...(ccache ? ["-DCMAKE_C_COMPILER_LAUNCHER=ccache", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] : []),
  ]);
  // The backends are plug-ins, and no target depends on them. So build all targets.
  const targets = ["llama-server", "ggml", ...cpuTargets(directory)];
  cmake(["--build", directory, "--parallel", String(availableParallelism()), "--target", ...targets]);
  writeFileSync(stampPath(), options().join("\n"));
  const built = llamaServerPath();
  if (built === undefined) throw new Error(`the build ended without ${directory}/bin/llama-server`);
  shareCuda(dirname(built));
  return built;
}

/**
 * Gives the server the CUDA backend of our build, which has the same sources: compiling it takes many minutes.
 *
 * @param {string} folder
 */
function shareCuda(folder) {
  const ours = join(here, "../../build/Release/libggml-cuda.so");
  if (existsSync(ours)) copyFileSync(ours, join(folder, "libggml-cuda.so"));
}

/**
 * The CPU backend's targets: one, or one for each instruction set.
 *
 * @param {string} directory
 */
function cpuTargets(directory) {
  const { stdout } = spawnSync("cmake", ["--build", directory, "--target", "help"], { encoding: "utf8" });
  const names = [...new Set([...stdout.matchAll(/\b(ggml-cpu(?:-[a-z0-9_]+)?)\b/g)].map(([, name]) => name ?? ""))];
  const variants = names.filter((name) => name !== "ggml-cpu" && !name.endsWith("-feats"));
  return variants.length > 0 ? variants : ["ggml-cpu"];
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.stdout.write(`${buildLlamaServer()}\n`);
}
