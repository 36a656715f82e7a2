/**
 * Sets up a fresh clone: npm dependencies, native build, TypeScript build. Skips each step whose result is there already, so a
 * second run takes a fraction of a second.
 *
 *     node native/setup.mjs [--tests]        with the C++ tests, which take longer to build than everything else
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { contentHash, filesBelow, readStamp } from "./content-hash.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const log = (line) => process.stderr.write(`${line}\n`);

function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 17)) {
    throw new Error(`Node ${process.versions.node} is too old: expected 20.17 or newer`);
  }
}

/** Runs a step without output; shows its output when it fails. */
function run(what, command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28 });
  if (status === 0) return;
  // When the lock file does not fit, npm prints its whole usage. Drop that.
  const said = `${stdout ?? ""}${stderr ?? ""}`.replace(/npm error\s+npm error Clean install a project[\s\S]*/, "");
  throw new Error(`${said}${what} failed${error ? `: ${error.message}` : ""}`);
}

const readJson = (name) => JSON.parse(readFileSync(join(root, name), "utf8"));

/** Whether node_modules matches package-lock.json. npm records what it installed in node_modules/.package-lock.json. */
function dependenciesMatch() {
  if (!existsSync(join(root, "node_modules", ".package-lock.json"))) return false;
  const wanted = readJson("package-lock.json").packages;
  const installed = readJson("node_modules/.package-lock.json").packages;
  const manifest = readJson("package.json");
  const same = (a, b) => JSON.stringify(Object.entries(a ?? {}).sort()) === JSON.stringify(Object.entries(b ?? {}).sort());
  if (!same(manifest.dependencies, wanted[""].dependencies)) return false;
  if (!same(manifest.devDependencies, wanted[""].devDependencies)) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    const present = installed[path];
    // Optional packages for other platforms are not installed.
    if (!present) return entry.optional === true;
    return present.version === entry.version && present.integrity === entry.integrity;
  });
}

function setUpDependencies() {
  if (dependenciesMatch()) return;
  log("dependencies: npm ci");
  // Under `npm run` use the npm that is running.
  const npm = process.env.npm_execpath;
  const [command, ...prefix] = npm?.endsWith(".js") ? [process.execPath, npm] : ["npm"];
  run("npm ci", command, [...prefix, "ci", "--no-audit", "--no-fund"]);
}

function setUpTypeScript() {
  const stampPath = join(root, "dist", ".stamp.json");
  const files = [...filesBelow(root, "src"), "binding.d.ts", "tsconfig.json", "tsconfig.build.json"];
  const { typescript, esbuild, preact, "swagger-ui-dist": swaggerUi } = readJson("package.json").devDependencies;
  const inputs = contentHash(root, files, { typescript, esbuild, preact, swaggerUi });
  if (readStamp(stampPath)?.inputs === inputs) return;
  log("TypeScript build: dist/");
  // Remove all of it: otherwise the output of a removed source would stay importable.
  rmSync(join(root, "dist"), { recursive: true, force: true });
  run("The TypeScript build", process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"]);
  run("The pages' build", process.execPath, [join(root, "src/server/pages/bundle.mjs")]);
  writeFileSync(stampPath, `${JSON.stringify({ inputs }, null, 2)}\n`);
}

try {
  requireNode();
  setUpDependencies();
  // Imported after the check of Node's version: an older Node would fail with a missing export instead.
  const { buildNative } = await import("./build.mjs");
  await buildNative({ log, tests: process.argv.includes("--tests") });
  setUpTypeScript();
} catch (error) {
  log(error.stderr || error.message);
  process.exitCode = 1;
}
