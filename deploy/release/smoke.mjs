/**
 * Installs a release into an empty project with a package manager, and ranks the demo model there: from an ES module, from
 * CommonJS, in a worker thread, and with the command. Prints a row of a table for each manager.
 *
 *     node deploy/release/smoke.mjs --version VERSION [--manager NAME]…      the published packages
 *     node deploy/release/smoke.mjs --tarballs FOLDER [--manager NAME]…      tarballs of native/prebuild/pack.mjs, from a local registry
 *
 *     node deploy/release/smoke.mjs --matrix                                 the platforms, for GitHub's `strategy.matrix`
 *
 * Managers: those of release/managers.mjs; default: all. --node MAJOR runs all of it under another Node than this one. Caches are
 * empty at the start, so the seconds are those of a first installation, with its downloads.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { manifestOf, targets } from "../../native/prebuild/targets.mjs";
import { folderSize } from "./folder-size.mjs";
import { managers } from "./managers.mjs";
import { command, expected, programs } from "./programs.mjs";
import { startRegistry } from "./registry.mjs";
import { mainName, requireRelease, tarballsIn } from "./tarballs.mjs";

const windows = process.platform === "win32";
const npmCommand = windows ? "npm.cmd" : "npm";
const limit = 10 * 60_000;

/** Runs a program to its end; fails with its output. */
async function run([program, ...args], { cwd, env, shell = false }) {
  const child = spawn(program, args, { cwd, env, shell, stdio: ["ignore", "pipe", "pipe"], timeout: limit });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) child[name].setEncoding("utf8").on("data", (text) => (texts[name] += text));
  const [code, signal] = await once(child, "close");
  if (code === 0) return texts.stdout;
  throw new Error(`${[program, ...args].join(" ")}: ${signal ?? `exit ${code}`}\n${texts.stdout}${texts.stderr}`);
}

/** This process's variables without those that `npm run` sets, which would configure the manager; but the registry stays. */
function environment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_(?!config_registry$)|pnpm_|yarn_|bun_|INIT_CWD$)/i.test(name)),
  );
}

/** `npm install` into a folder of its own, of the npm that is on PATH. */
async function fetchTools(folder, ...specs) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--force"];
  await run([npmCommand, "install", ...flags, ...specs], { cwd: folder, env: environment(), shell: windows });
}

/** Another Node, from the npm package that contains it for this platform. */
async function nodeOf(major, work) {
  const current = Number(process.versions.node.split(".")[0]);
  if (major === undefined || major === current) return process.execPath;
  const name = `node-${windows ? "win" : process.platform}-${process.arch}`;
  const folder = join(work, `node-${major}`);
  if (!existsSync(folder)) await fetchTools(folder, `${name}@${major}`);
  return join(folder, "node_modules", name, "bin", windows ? "node.exe" : "node");
}

/** The newest of the Node that was asked for and the one that the manager needs. */
const majorFor = (manager, asked) => {
  const wanted = asked ?? Number(process.versions.node.split(".")[0]);
  return Math.max(wanted, manager.node ?? 0);
};

async function smoke(name, { work, spec, registry, major }) {
  const manager = managers[name];
  const [tools, project, cache] = ["tools", "project", "cache"].map((part) => join(work, name.replace("@", "-"), part));
  await fetchTools(tools, manager.package);
  const node = await nodeOf(majorFor(manager, major), work);
  // The manager runs under the Node that ranks, and a command finds that one.
  const [program, ...first] = manager.command(tools).map((part) => (part === process.execPath ? node : part));
  const env = {
    ...environment(),
    ...manager.variables?.(cache),
    ...(registry && { npm_config_registry: registry }),
    PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
    XDG_CACHE_HOME: join(work, "models"),
  };
  const manage = (...args) => run([program, ...first, ...args], { cwd: project, env });

  mkdirSync(project, { recursive: true });
  const files = {
    "package.json": `${JSON.stringify({ name: "empty", private: true, dependencies: { [mainName]: spec } })}\n`,
    ...(registry && { ".npmrc": `registry=${registry}\n` }),
    ...manager.files?.(registry, cache),
    ...programs,
    ...command.files,
  };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(project, file), text);

  const version = (await manage("--version")).trim();
  const started = performance.now();
  await manage(...manager.install);
  const seconds = (performance.now() - started) / 1000;

  for (const file of Object.keys(programs)) {
    const printed = manager.script ? await manage(...manager.script, file) : await run([node, file], { cwd: project, env });
    if (printed.trim() !== expected) throw new Error(`${name}: ${file}: expected ${expected}, got ${printed}`);
  }
  const printed = await manage(...manager.execute, ...command.args);
  if (command.ranked(printed) !== expected)
    throw new Error(`${name}: ${command.args.join(" ")}: expected ${expected}, got ${printed}`);

  const installed = manager.installed?.(project, cache) ?? [join(project, "node_modules")];
  const size = folderSize(...installed.filter(existsSync));
  return { name, version, node: await run([node, "-p", "process.versions.node"], { cwd: project, env }), seconds, ...size };
}

const columns = ["manager", "its version", "Node", "platform", "packages", "MB", "seconds", "with", "ranked in"];
const line = (cells) => `| ${cells.join(" | ")} |\n`;

function row({ name, version, node, packages, megabytes, seconds, ours }) {
  const numbers = [packages, megabytes.toFixed(1), seconds.toFixed(1)];
  const how = "ES module, CommonJS, worker thread, command";
  return line([name, version, node.trim(), `${process.platform}-${process.arch}`, ...numbers, ours.join(", "), how]);
}

/** Smoke-tests a release with each manager. Returns the names of those that failed. */
export async function smokeAll(names, { version, tarballs, major, log }) {
  const work = realpathSync(mkdtempSync(join(tmpdir(), "jina-reranker-smoke-")));
  const local = tarballs && (await localRegistry(tarballs, work));
  if (!local) await awaitPublished(version, work);
  const failed = [];
  if (local?.without.length > 0) log(`Without libraries, for they were not built here: ${local.without.join(", ")}\n\n`);
  log(line(columns) + line(columns.map(() => "---")));
  try {
    for (const name of names) {
      try {
        log(row(await smoke(name, { work, spec: version ?? local.version, registry: local?.url, major })));
      } catch (error) {
        failed.push(name);
        log(`${name}: failed: ${error.message}\n`);
      }
    }
  } finally {
    local?.close();
    rmSync(work, { recursive: true, force: true, maxRetries: 5 });
  }
  return failed;
}

/** A version is published before every server of the registry knows it. */
async function awaitPublished(version, work) {
  for (let tries = 20; ; tries -= 1) {
    try {
      return await run([npmCommand, "view", `${mainName}@${version}`, "version"], {
        cwd: work,
        env: environment(),
        shell: windows,
      });
    } catch (error) {
      if (tries === 0) throw error;
      await setTimeout(15_000);
    }
  }
}

/** One row for each package with an addon. The image stands for a system with musl, which no runner is. */
const matrix = () => ({
  include: targets
    .filter((target) => target.backend === undefined)
    .map((target) => ({
      target: target.name,
      "runs-on": target.runner,
      container: target.libc === "musl" ? "docker.io/library/node:22-alpine" : "",
    })),
});

/**
 * Tarballs of the packages that were not built here, with a manifest and no library: managers resolve every optional dependency
 * before they leave out those of other platforms, and some stop at one that the registry does not know.
 */
function standIns(tarballs, folder) {
  const names = tarballs.map(({ manifest }) => manifest.name);
  const missing = targets.map((target) => manifestOf(target, {})).filter(({ name }) => !names.includes(name));
  mkdirSync(join(folder, "package"), { recursive: true });
  for (const manifest of missing) {
    writeFileSync(join(folder, "package", "package.json"), JSON.stringify(manifest));
    const name = `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`;
    execFileSync("tar", ["-czf", name, "package"], { cwd: folder });
  }
  return missing.length > 0 ? tarballsIn(folder) : [];
}

async function localRegistry(folder, work) {
  const tarballs = tarballsIn(folder);
  const main = requireRelease(tarballs);
  const others = standIns(tarballs, join(work, "stand-ins"));
  const upstream = await run([npmCommand, "config", "get", "registry"], { cwd: work, env: environment(), shell: windows });
  const registry = await startRegistry({ tarballs: [...tarballs, ...others], upstream: upstream.trim() });
  return { ...registry, version: main.manifest.version, without: others.map(({ manifest }) => manifest.name.split("/")[1]) };
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const { values } = parseArgs({
      options: {
        version: { type: "string" },
        tarballs: { type: "string" },
        manager: { type: "string", multiple: true, default: Object.keys(managers) },
        node: { type: "string" },
        matrix: { type: "boolean", default: false },
      },
    });
    if (values.matrix) {
      process.stdout.write(`${JSON.stringify(matrix())}\n`);
      process.exit();
    }
    if ((values.version === undefined) === (values.tarballs === undefined)) throw new Error("expected --version or --tarballs");
    const unknown = values.manager.find((name) => !Object.hasOwn(managers, name));
    if (unknown) throw new Error(`--manager: expected one of ${Object.keys(managers).join(", ")}, got ${unknown}`);
    const failed = await smokeAll(values.manager, {
      ...values,
      tarballs: values.tarballs && resolve(values.tarballs),
      major: values.node === undefined ? undefined : Number(values.node),
      log: (text) => process.stdout.write(text),
    });
    if (failed.length > 0) throw new Error(`failed: ${failed.join(", ")}`);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
