/**
 * The complete native build: fetches llama.cpp, then configures and builds everything with cmake-js into build/; the addon and
 * the libraries that it loads go to build/Release. Does nothing when its inputs did not change.
 *
 *     node native/build.mjs [-DNAME=VALUE …]      passes definitions to CMake, for example -DGGML_VULKAN=ON
 *
 * Of the npm packages it needs only cmake-js and the Node-API headers. LLAMA_CPP_DIR names another llama.cpp checkout to build.
 */
import { spawn, spawnSync } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { llamaDirectory, materialise, needsGit } from "../vendor/materialise.mjs";
import { progressReporter } from "./build-progress.mjs";
import { contentHash, filesBelow, readStamp } from "./content-hash.mjs";
import { cpuDefinitions } from "./cpu-features.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const minimumCmake = [3, 20];
const tailLines = 40;

const install = "Debian and Ubuntu: apt-get install cmake g++ git make; macOS: xcode-select --install, then brew install cmake";

function output(command, args) {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8" });
  return status === 0 ? stdout : undefined;
}

/** Throws an error of one line that names each tool that is missing or too old, and how to install it. */
function requireTools() {
  const missing = [];
  const cmake = output("cmake", ["--version"])?.match(/(\d+)\.(\d+)(\.\d+)?/);
  if (!cmake) missing.push("CMake 3.20 or newer (not found)");
  else if (Number(cmake[1]) < minimumCmake[0] || (Number(cmake[1]) === minimumCmake[0] && Number(cmake[2]) < minimumCmake[1])) {
    missing.push(`CMake 3.20 or newer (found ${cmake[0]})`);
  }
  const compilers = process.env.CXX ? [process.env.CXX] : ["c++", "g++", "clang++"];
  if (!compilers.some((name) => output(name.split(" ")[0], ["--version"]) !== undefined)) {
    missing.push(`a C++17 compiler (tried ${compilers.join(", ")})`);
  }
  if (output("make", ["--version"]) === undefined && output("ninja", ["--version"]) === undefined) {
    missing.push("make or ninja (neither found)");
  }
  if (needsGit() && output("git", ["--version"]) === undefined) missing.push("git (not found)");
  if (missing.length > 0) throw new Error(`The native build needs ${missing.join(" and ")}. ${install}`);
}

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const { resolve: find } = createRequire(import.meta.url);

/** Optional peers of the package: only who compiles installs them. */
const buildPackages = ["cmake-js", "node-addon-api", "node-api-headers"];

/** Throws an error that says how to install the npm packages that the build needs. */
function requirePackages() {
  const missing = buildPackages.filter((name) => {
    try {
      return !find(`${name}/package.json`);
    } catch {
      return true;
    }
  });
  if (missing.length === 0) return;
  const named = missing.map((name) => `"${name}@${manifest.peerDependencies[name]}"`);
  const inClone = existsSync(join(root, "package-lock.json"));
  const command = inClone ? "npm ci, or node native/setup.mjs, which does both" : `npm install ${named.join(" ")}`;
  throw new Error(`The native build needs the npm packages ${missing.join(", ")}: run ${command}`);
}

/** A hash of all files and options that the result depends on. */
function inputsHash(definitions) {
  const sources = ["native", "test/native", "bench/native"]
    .flatMap((folder) => filesBelow(root, folder))
    .filter((file) => !/\.(mjs|ts)$/.test(file) || file === "native/build.mjs");
  const files = [...sources, "CMakeLists.txt", "CMakePresets.json", "vendor/llama.cpp.json"];
  const { CC, CXX, CFLAGS, CXXFLAGS, LDFLAGS, CUDACXX, CUDAARCHS } = process.env;
  return contentHash(root, files, {
    platform: process.platform,
    arch: process.arch,
    llama: llamaDirectory(),
    definitions,
    environment: { CC, CXX, CFLAGS, CXXFLAGS, LDFLAGS, CUDACXX, CUDAARCHS },
    version: manifest.version,
    tools: buildPackages.map((name) => manifest.peerDependencies[name]),
  });
}

/** Reads a value from the CMake cache of an earlier configuration. */
function cached(buildDirectory, name) {
  const path = join(buildDirectory, "CMakeCache.txt");
  if (!existsSync(path)) return undefined;
  return readFileSync(path, "utf8").match(new RegExp(`^${name}:[A-Z]+=(.*)$`, "m"))?.[1];
}

function configureArguments(buildDirectory, definitions) {
  const home = cached(buildDirectory, "CMAKE_HOME_DIRECTORY");
  if (home !== undefined && resolve(home) !== root) {
    throw new Error(
      `${buildDirectory} was configured for ${home}, but this is ${root}: remove ${buildDirectory} and start again`,
    );
  }
  // CMake refuses to change the generator of a configured folder, so keep the one that it has.
  const generator = cached(buildDirectory, "CMAKE_GENERATOR");
  const extra = [
    `-DLLAMA_CPP_DIR=${llamaDirectory()}`,
    // This drops -DBUILDING_NODE_EXTENSION, which cmake-js adds to every C++ file. Node-API does not need it, and with it
    // llama.cpp would be compiled again after a plain `cmake -S . -B build`.
    `-DCMAKE_CXX_FLAGS=${process.env.CXXFLAGS ?? ""}`,
  ];
  if (output("ccache", ["--version"]) !== undefined) {
    const languages = ["C", "CXX", ...(definitions.includes("-DGGML_CUDA=ON") ? ["CUDA"] : [])];
    extra.push(...languages.map((language) => `-DCMAKE_${language}_COMPILER_LAUNCHER=ccache`));
  }
  return [...(generator ? ["--generator", generator] : []), "--", ...extra, ...definitions];
}

/** Runs a cmake-js command with its output in build.log. Rejects with the end of that output. */
async function run(args, stream, logPath, log) {
  const cmakeJs = join(dirname(find("cmake-js/package.json")), "bin", "cmake-js");
  const child = spawn(process.execPath, [cmakeJs, ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const terminal = process.stderr.isTTY === true;
  const write = terminal ? (text) => process.stderr.write(text) : (text) => log(text.trimEnd());
  const progress = progressReporter({ terminal, write });
  let kept = [];
  let rest = "";
  const take = (chunk) => {
    stream.write(chunk);
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      progress.line(line);
      kept.push(line);
    }
    if (kept.length > 4000) kept = kept.slice(-2000);
  };
  child.stdout.setEncoding("utf8").on("data", take);
  child.stderr.setEncoding("utf8").on("data", take);
  const code = await new Promise((done, fail) => child.on("error", fail).on("close", done));
  progress.end();
  if (code === 0) return;
  // With several jobs, the compiler's error can be far above the end of the output.
  const tail = kept.slice(-tailLines);
  const first = kept.find((line) => /\berror\b[: ]/i.test(line));
  const lines = first && !tail.includes(first) ? [first, "  …", ...tail] : tail;
  throw new Error(`${lines.join("\n")}\nThe native build failed; the whole output is in ${logPath}`);
}

/** Whether the build is for other machines: with every variant of the CPU backend, or only a GPU backend. */
function runsElsewhere(library, definitions) {
  return (
    library !== undefined || definitions.some((definition) => /^-DJINA_RERANKER_ALL_VARIANTS=(ON|1|TRUE)$/i.test(definition))
  );
}

/** Whether a stamp says that these inputs were built, and the tests too where they are wanted. */
const isBuilt = (stamp, inputs, tests) => stamp?.inputs === inputs && (stamp.tests === true || !tests);

/** What a build makes: everything, everything but the tests, or one library and what it needs. */
const targetOf = (library, tests) => (library !== undefined ? library.target : tests ? undefined : "without-tests");

/** The line that says how long it takes: measured on 2 cores. */
function announcement(first, tests) {
  if (first && tests) return "llama.cpp, the addon and the C++ tests, once: 12 minutes on 2 idle cores";
  if (first) return "llama.cpp and the addon, once: 4 minutes on 2 idle cores, 6.5 on 2 busy ones";
  return tests ? "what has changed, and the C++ tests" : "what has changed";
}

/**
 * Idempotent. Returns the folder of the built libraries. It builds in `directory`. With `library` it builds only that library and
 * what it needs. Without `tests` it leaves out the C++ tests.
 */
export async function buildNative({
  directory = join(root, "build"),
  library = undefined,
  tests: wanted = true,
  definitions: given = [],
  log = (line) => process.stderr.write(`${line}\n`),
} = {}) {
  const definitions = [...(runsElsewhere(library, given) ? [] : cpuDefinitions()), ...given];
  // An installed package has no tests.
  const tests = wanted && existsSync(join(root, "test", "native")) && !definitions.includes("-DJINA_RERANKER_TESTS=OFF");
  const libraries = join(directory, "Release");
  const result = join(libraries, library === undefined ? "jina_reranker.node" : library.file);
  const stampPath = join(libraries, ".stamp.json");
  const logPath = join(directory, "build.log");
  const hash = inputsHash(definitions);
  // Another checkout may change at any time, so the build tool decides what to build.
  const current = !process.env.LLAMA_CPP_DIR && existsSync(result) && isBuilt(readStamp(stampPath), hash, wanted);
  if (!current || !existsSync(join(llamaDirectory(), "include", "llama.h"))) requireTools();
  materialise(log);
  if (current) return libraries;
  requirePackages();
  if (!manifest.binary?.napi_versions) {
    throw new Error('package.json has no "binary": {"napi_versions": [8]}: without it cmake-js downloads Node\'s own headers');
  }

  const started = Date.now();
  const jobs = availableParallelism();
  const configure = configureArguments(directory, definitions);
  const first = cached(directory, "CMAKE_HOME_DIRECTORY") === undefined;
  mkdirSync(libraries, { recursive: true });
  rmSync(stampPath, { force: true });
  log(
    `native build: ${announcement(first, tests)} ` +
      `(${jobs} ${jobs === 1 ? "job" : "jobs"}, output in ${relative(root, logPath)})`,
  );
  const stream = createWriteStream(logPath);
  const common = ["--out", directory, "--config", "Release"];
  const target = targetOf(library, wanted);
  const only = target === undefined ? [] : ["--target", target];
  try {
    await run(["configure", ...common, ...configure], stream, logPath, log);
    await run(["build", ...common, ...only, "--parallel", String(jobs)], stream, logPath, log);
  } finally {
    await new Promise((done) => stream.end(done));
  }
  if (!existsSync(result)) throw new Error(`The build ended without ${result}; its output is in ${logPath}`);
  writeFileSync(stampPath, `${JSON.stringify({ inputs: hash, definitions, tests: wanted }, null, 2)}\n`);
  log(`native build: done in ${Math.round((Date.now() - started) / 1000)} s`);
  return libraries;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const definitions = process.argv.slice(2);
  const unknown = definitions.find((argument) => !/^-D\w+(:\w+)?=/.test(argument));
  if (unknown !== undefined) {
    process.stderr.write(`Usage: node native/build.mjs [-DNAME=VALUE …]; ${unknown} is not a definition\n`);
    process.exit(2);
  }
  try {
    await buildNative({ definitions });
  } catch (error) {
    process.stderr.write(`${error.stderr || error.message}\n`);
    process.exitCode = 1;
  }
}
