/**
 * The packages as they are published: packed, installed with npm into an empty project with scripts disabled and no compiler on
 * PATH, then used under each supported Node from ES modules, CommonJS and a worker thread. The libraries come from this
 * checkout's build. Needs the npm registry, for dependencies and other Nodes.
 */

import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tracingPackages } from "../../src/server/observe/load-tracing.js";
import { type Ended, ended } from "../support/command.js";
import { addonPackage, builtLibraries, platform } from "../support/installation.js";
import { otherNode } from "../support/other-node.js";

const root = join(import.meta.dirname, "..", "..");
/** npm packages that contain a Node: the newest of each major version. */
const newestNode = "24.21.0";
const nodes = ["20.20.2", "22.23.3", newestNode];
/** What `import "jina-reranker"` loads. */
const libraryPackages = [
  ...["jina-reranker", "fflate", "leven", "typebox", "undici"],
  ...["proper-lockfile", "graceful-fs", "retry", "signal-exit"],
];
const documents = ["how to bake bread", "the history of Rome"];

const bin = join("node_modules", "jina-reranker", "dist", "cli", "main.js");

let work: string;
let project: string;
let path: string;
const tarballs: Record<string, string> = {};

async function run(
  command: string,
  args: readonly string[],
  cwd: string,
  variables: Record<string, string> = {},
): Promise<Ended> {
  const { HOME, PATH } = process.env;
  const env = { HOME, PATH, XDG_CACHE_HOME: join(work, "cache"), N_THREADS: "1", ...variables };
  return ended(spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] }), 600_000);
}

async function mustRun(command: string, args: readonly string[], cwd: string): Promise<void> {
  const { code, stderr } = await run(command, args, cwd);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}

beforeAll(async () => {
  if (platform !== "linux-x64") return;
  work = await mkdtemp(join(tmpdir(), "jina-reranker-packages-"));
  const pack = join(root, "native", "prebuild", "pack.mjs");
  const packed = join(work, "packed");
  await mustRun(process.execPath, [pack, "--destination", packed], root);
  await mustRun(process.execPath, [pack, "--destination", packed, "--libraries", builtLibraries, platform], root);
  // Packages of other platforms may also have been built here.
  const fits = new RegExp(`^jina-reranker-([\\d.]+|${platform}.*)\\.tgz$`);
  for (const name of (await readdir(packed)).filter((file) => fits.test(file))) tarballs[name] = join(packed, name);

  project = join(work, "project");
  await mkdir(project);
  await writeFile(join(project, "package.json"), '{ "name": "empty", "private": true }\n');
  const install = ["install", "--ignore-scripts", "--no-audit", "--no-fund", ...Object.values(tarballs)];
  await mustRun("npm", install, project);

  path = join(work, "bin");
  await mkdir(path);
  for (const tool of ["npm", "npx"]) {
    const found = spawnSync("which", [tool], { encoding: "utf8" }).stdout.trim();
    await symlink(await realpath(found), join(path, tool));
  }
  await symlink("/bin/sh", join(path, "sh"));
  await symlink(process.execPath, join(path, "node"));
}, 900_000);

afterAll(() => rm(work, { recursive: true, force: true }));

describe.skipIf(platform !== "linux-x64")("the packages", () => {
  it("are within their sizes: 3 MB without sources, 25 MB for the CPU", async () => {
    const [main = "", addon = ""] = Object.keys(tarballs).sort((a, b) => a.length - b.length);
    expect([main, addon]).toEqual([expect.stringMatching(/^jina-reranker-\d/), expect.stringContaining("linux-x64")]);
    const sources = (await stat(join(project, "node_modules", "jina-reranker", "vendor", "llama.cpp.tar.br"))).size;
    expect((await stat(tarballs[main] ?? "")).size - sources).toBeLessThan(3e6);
    expect((await stat(tarballs[addon] ?? "")).size).toBeLessThan(25e6);
  });

  it("have manifests with the platform, the libraries' checksums, and no script that runs at installation", async () => {
    const manifest = JSON.parse(await readFile(join(project, "node_modules", addonPackage, "package.json"), "utf8"));
    expect(manifest).toMatchObject({ os: ["linux"], cpu: ["x64"], libc: ["glibc"] });
    // What the libraries ask of the system, whatever their target promises.
    expect(manifest.requires).toEqual({
      GLIBC: expect.stringMatching(/^2\.\d+$/),
      GLIBCXX: expect.stringMatching(/^3\.4\.\d+$/),
      CXXABI: expect.stringMatching(/^1\.3/),
    });
    expect(manifest).not.toHaveProperty("scripts");
    expect(manifest).not.toHaveProperty("dependencies");
    const files = await readdir(join(project, "node_modules", addonPackage, "prebuilds", platform));
    expect(Object.keys(manifest.libraries).sort()).toEqual(files.sort());
    const main = JSON.parse(await readFile(join(project, "node_modules", "jina-reranker", "package.json"), "utf8"));
    expect(main).not.toHaveProperty("scripts");
    expect(main.optionalDependencies).toMatchObject({ [addonPackage]: main.version, [`${addonPackage}-musl`]: main.version });
    expect(Object.keys(main.optionalDependencies).filter((name) => /cuda|vulkan/.test(name))).toEqual([]);
  });

  it("contain the licences of everything in them", async () => {
    for (const name of [addonPackage, "jina-reranker"]) {
      const folder = join(project, "node_modules", name, "LICENSES");
      expect(await readFile(join(folder, "jina-reranker"), "utf8")).toContain("Apache License");
      for (const part of ["llama.cpp", "pages"]) expect(await readFile(join(folder, part), "utf8")).toContain("MIT License");
      expect(await readFile(join(folder, "llama.cpp-notices"), "utf8")).toContain("Mozilla Foundation");
    }
  });

  it("hold what a user reads and runs, and nothing that points to a file left behind", async () => {
    const main = join(project, "node_modules", "jina-reranker");
    const files = await readdir(main, { recursive: true });
    expect(files.filter((file) => file.startsWith("docs") && !/^docs([\\/][\w-]+\.(md|png))?$/.test(file))).toEqual([]);
    const scripts = files.filter((file) => /^dist.*\.(js|cjs)$/.test(file));
    const texts = await Promise.all(scripts.map((file) => readFile(join(main, file), "utf8")));
    expect(scripts.length).toBeGreaterThan(100);
    expect(scripts.filter((_, index) => texts[index]?.includes("sourceMappingURL"))).toEqual([]);
  });

  it("bring at most 90 packages, and none of those that only a collector, a compiler or images need", async () => {
    const { packages }: { packages: Record<string, object> } = JSON.parse(
      await readFile(join(project, "node_modules", ".package-lock.json"), "utf8"),
    );
    const names = Object.keys(packages).map((path) => path.replace(/^.*node_modules\//, ""));
    expect(names.length).toBeLessThanOrEqual(90);
    const manifest = JSON.parse(await readFile(join(project, "node_modules", "jina-reranker", "package.json"), "utf8"));
    const optional = Object.keys(manifest.peerDependencies);
    expect(optional).toEqual(expect.arrayContaining(["cmake-js", "node-addon-api", "sharp"]));
    // prom-client depends on the API alone.
    expect(names.filter((name) => optional.includes(name) && name !== "@opentelemetry/api")).toEqual([]);
  });

  it("say what to install where an optional package is missing", async () => {
    const collector = { PATH: path, OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };
    const serve = ["jina-reranker", "serve", "--demo", "--host", "127.0.0.1", "--port", "0"];
    const spans = await run(join(path, "npx"), serve, project, collector);
    expect([spans.code, spans.stderr]).toEqual([2, expect.stringContaining(`npm install ${tracingPackages.join(" ")}`)]);
    const compile = await run(process.execPath, [bin, "build"], project, { PATH: process.env.PATH ?? "" });
    expect([compile.code, compile.stderr]).toEqual([1, expect.stringMatching(/run npm install "cmake-js@.+" "node-addon-api@/)]);
    await rm(join(project, "node_modules", "jina-reranker", "vendor", "llama.cpp"), { recursive: true, force: true });
  });

  it("load nothing of the server with the library", async () => {
    const text = `import { registerHooks } from "node:module";
      const loaded = [];
      registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
      await import("jina-reranker");
      console.log(JSON.stringify(loaded));`;
    await writeFile(join(project, "loaded.mjs"), text);
    const { stdout } = await run(await otherNode(newestNode), ["loaded.mjs"], project, { PATH: path });
    const loaded: string[] = JSON.parse(stdout);
    expect(loaded.some((url) => url.endsWith("/dist/reranker.js"))).toBe(true);
    const packages = loaded.flatMap((url) => url.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules)/)?.[1] ?? []);
    expect(new Set(packages)).toEqual(new Set(libraryPackages));
    expect(loaded.filter((url) => /\/dist\/(server|cli|wire)\//.test(url))).toEqual([]);
  });

  it("serve the demo through npx, and rank", async () => {
    const args = ["jina-reranker", "serve", "--demo", "--host", "127.0.0.1", "--port", "0"];
    const env = { PATH: path, HOME: process.env.HOME, XDG_CACHE_HOME: join(work, "cache"), N_THREADS: "1" };
    const child = spawn(join(path, "npx"), args, { cwd: project, env, detached: true });
    try {
      let port: unknown;
      for await (const line of createInterface({ input: child.stdout })) {
        const entry = JSON.parse(line);
        if (entry.msg === "ready") {
          port = entry.port;
          break;
        }
      }
      const response = await fetch(`http://127.0.0.1:${port}/rerank`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query: "baking bread", documents }),
      });
      expect(await response.json()).toMatchObject({ results: [{ index: 0 }, { index: 1 }] });
    } finally {
      // npx starts the service as a child process.
      if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
    }
  });

  it("contain llama.cpp's sources, which unpack without a network", async () => {
    const main = join(project, "node_modules", "jina-reranker");
    const { code, stderr } = await run(process.execPath, [join(main, "vendor", "materialise.mjs")], project, {
      npm_config_offline: "true",
    });
    expect([code, stderr]).toEqual([0, expect.stringContaining("unpacking")]);
    expect(existsSync(join(main, "vendor", "llama.cpp", "include", "llama.h"))).toBe(true);
    expect(existsSync(join(main, "native", "engine", "engine.cpp"))).toBe(true);
    await rm(join(main, "vendor", "llama.cpp"), { recursive: true });
  });

  it("are repaired by the command that the error names", async () => {
    const libraries = join(project, "node_modules", addonPackage, "prebuilds", platform);
    await rm(join(libraries, "libllama.so"));
    const broken = await run(join(path, "npx"), ["jina-reranker", "info"], project, { PATH: path });
    expect(broken.code).toBe(1);
    const [, fix = ""] = broken.stdout.match(/fix: (rm -r .*)/) ?? [];
    await mustRun("sh", ["-c", `${fix} --ignore-scripts --no-audit --no-fund`], project);
    expect((await run(join(path, "npx"), ["jina-reranker", "info"], project, { PATH: path })).code).toBe(0);
  });

  describe.each(nodes)("under Node %s", (version) => {
    let node: string;

    beforeAll(async () => {
      node = await otherNode(version);
    });

    /** The demo above wrote it. */
    const model = async () => {
      const directory = join(work, "cache", "jina-reranker");
      const [demo = ""] = await readdir(directory);
      return join(directory, demo, "lexical-demo.gguf");
    };
    const options = async () => JSON.stringify({ modelPath: await model(), threads: 1, contextSize: 512 });
    const rank = (found: string) => `.then(async (reranker) => {
      const { results } = await reranker.rerank({ query: "baking bread", documents: ${JSON.stringify(documents)} });
      ${found}(results.map(({ index }) => index).join(","));
      await reranker.close();
    })`;
    const script = async (name: string, text: string, flags: string[] = []) => {
      await writeFile(join(project, name), text);
      return run(node, [...flags, name], project, { PATH: path });
    };
    const ranked = { code: 0, signal: null, stdout: "0,1\n", stderr: "" };

    it("rank from an ES module", async () => {
      const text = `import { Reranker } from "jina-reranker"; await Reranker.load(${await options()})${rank("console.log")};`;
      expect(await script("esm.mjs", text)).toEqual(ranked);
    });

    it("rank from CommonJS", async () => {
      const text = `const { Reranker } = require("jina-reranker"); Reranker.load(${await options()})${rank("console.log")};`;
      expect(await script("common.cjs", text)).toEqual(ranked);
    });

    it("rank from CommonJS where Node cannot require ES modules, and export everything after the first load", async () => {
      const text = `const library = require("jina-reranker");
        library.Reranker.load(${await options()})${rank("console.log")}.then(() => console.log(library.RerankError.name));`;
      const { code, stdout } = await script("old.cjs", text, ["--no-experimental-require-module"]);
      expect([code, stdout]).toEqual([0, "0,1\nRerankError\n"]);
    });

    it("give every entry point to CommonJS, or say what it needs", async () => {
      const { exports }: { exports: Record<string, unknown> } = JSON.parse(
        await readFile(join(project, "node_modules", "jina-reranker", "package.json"), "utf8"),
      );
      const names = Object.keys(exports).map((path) => `jina-reranker${path.slice(1)}`);
      const text = `for (const name of ${JSON.stringify(names)}) {
        try { console.log(name, Object.keys(require(name)).length > 0); } catch (error) { console.log(error.message); }
      }`;
      expect(await script("entries.cjs", text)).toMatchObject({ stdout: names.map((name) => `${name} true\n`).join("") });
      const { stdout } = await script("entries-old.cjs", text, ["--no-experimental-require-module"]);
      const told = (name: string) =>
        `require("${name}") needs Node 20.19, 22.12 or newer; await import("${name}") works in this one, ${version}`;
      const always = ["jina-reranker", "jina-reranker/package.json"];
      expect(stdout.trim().split("\n")).toEqual(names.map((name) => (always.includes(name) ? `${name} true` : told(name))));
    });

    it("rank in a worker thread beside the main one", async () => {
      const text = `import { Worker, isMainThread, parentPort } from "node:worker_threads";
        import { once } from "node:events";
        import { Reranker } from "jina-reranker";
        const own = () => Reranker.load(${await options()});
        if (isMainThread) {
          const told = once(new Worker(new URL(import.meta.url)), "message");
          await own()${rank("console.log")};
          const [message] = await told;
          console.log(message);
        } else await own()${rank("parentPort.postMessage")};`;
      expect(await script("worker.mjs", text)).toEqual({ ...ranked, stdout: "0,1\n0,1\n" });
    });
  });
});
