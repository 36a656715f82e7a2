/**
 * Finding the native part in an installation, and what is said when something of it is missing, damaged or too old. Each
 * in a process of its own: a library is loaded once in a process, and a damaged one may end it.
 */

import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, copyFile, cp, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { demoModel } from "../support/demo-service.js";
import { addonLibraries, addonPackage, builtLibraries, Installation } from "../support/installation.js";
import { compiler, deadlyLibrary, tinyLibrary } from "../support/tiny-library.js";

let installation: Installation;
let libraries: string[];
let scratch: string;
let model: Record<string, string>;

beforeAll(async () => {
  installation = await Installation.create();
  libraries = await addonLibraries();
  expect(libraries.length).toBeGreaterThan(3);
  const { modelPath, headPath } = await demoModel();
  model = { MODEL_PATH: modelPath, HEAD_PATH: headPath };
  scratch = await mkdtemp(join(tmpdir(), "jina-reranker-loader-"));
});

beforeEach(async () => {
  await rm(installation.folder("@jina-reranker"), { recursive: true, force: true });
  await installation.installAddon();
});

afterAll(async () => {
  await installation[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true, force: true });
});

const rerank = (variables: Record<string, string> = {}) =>
  installation.run(["rerank", "--query", "bread"], { ...model, ...variables }, "how to bake bread\nRome\n");

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  await chmod(path, 0o755);
  await writeFile(path, bytes);
}

/** A library that ends whoever opens it, beside the packages. */
async function deadlyCopy(): Promise<string> {
  const path = installation.folder("libggml-cpu-outside.so");
  await copyFile(deadlyLibrary(join(scratch, "outside"), "libggml-cpu-outside.so"), path);
  return path;
}

async function sha256(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

/** The package's fix for whatever is wrong with a file of it. */
const renew = `rm -r node_modules/${addonPackage} && npm install`;

describe.skipIf(process.platform !== "linux")("the loader", () => {
  it("takes the platform's package where nothing was built, and ranks with it", async () => {
    const info = JSON.parse((await installation.run(["info", "--json"])).stdout);
    expect(info.findings).toEqual([]);
    expect(info.backends.at(-1)).toEqual({
      backend: "cpu",
      state: "used",
      library: expect.stringContaining(installation.folder(addonPackage)),
    });
    const { code, stdout } = await rerank();
    expect(code).toBe(0);
    expect(JSON.parse(stdout).results[0]).toMatchObject({ index: 0 });
  });

  it("names the package to install when it is not there", async () => {
    await rm(installation.folder("@jina-reranker"), { recursive: true });
    const { code, stderr } = await rerank();
    expect(code).toBe(1);
    expect(stderr).toContain(`${addonPackage}: not installed`);
    expect(stderr).toContain(`npm install ${addonPackage}@${installation.version}`);
    expect(stderr).toContain("npx jina-reranker build");
    const info = await installation.run(["info"]);
    expect(info.code).toBe(1);
    expect(info.stdout).toContain(`npm install ${addonPackage}@${installation.version}`);
  });

  it("says that the package for the other C library does not fit", async () => {
    await rm(installation.folder("@jina-reranker"), { recursive: true });
    const other = addonPackage.endsWith("-musl") ? addonPackage.slice(0, -"-musl".length) : `${addonPackage}-musl`;
    await installation.install(
      other,
      libraries.map((file) => join(builtLibraries, file)),
    );
    const { code, stderr } = await rerank();
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`${addonPackage}: not installed; ${other} is, which is for (musl|glibc), and`));
    expect(stderr).toContain(`npm install ${addonPackage}@${installation.version}`);
  });

  it("says of a package without an addon that it has none", async () => {
    const path = join(installation.folder(addonPackage), "package.json");
    const manifest: { libraries: Record<string, string> } = JSON.parse(await readFile(path, "utf8"));
    const addons = Object.entries(manifest.libraries).filter(([file]) => !file.endsWith(".node"));
    await writeFile(path, JSON.stringify({ ...manifest, libraries: Object.fromEntries(addons) }));
    const { code, stderr } = await rerank();
    expect(code).toBe(1);
    expect(stderr).toContain(`${addonPackage}: its package.json names no addon`);
    expect(stderr).toContain(renew);
  });

  it("refuses a package of another version, and names the one that fits", async () => {
    await installation.install(
      addonPackage,
      libraries.map((file) => join(builtLibraries, file)),
      "0.0.1",
    );
    const { code, stderr } = await rerank();
    expect(code).toBe(1);
    expect(stderr).toContain(`${addonPackage}: is 0.0.1, this is ${installation.version}`);
  });

  it("says of every library which one is missing, and what to type", async () => {
    for (const file of libraries) {
      const path = installation.library(addonPackage, file);
      await rm(path);
      const { code, stderr } = await rerank({ BACKEND: "cpu" });
      expect([file, code]).toEqual([file, 1]);
      expect(stderr).toContain(`${path}: the file is missing`);
      expect(stderr).toContain(renew);
      await copyFile(join(builtLibraries, file), path);
    }
  });

  it("opens no library outside of its package, whatever its manifest names", async () => {
    const path = join(installation.folder(addonPackage), "package.json");
    const manifest: { libraries: Record<string, string> } = JSON.parse(await readFile(path, "utf8"));
    const outside = await deadlyCopy();
    for (const name of [`../../../../${basename(outside)}`, outside, "sub/libggml-cpu-x.so"]) {
      const libraries = { ...manifest.libraries, [name]: await sha256(outside) };
      await writeFile(path, JSON.stringify({ ...manifest, libraries }));
      const { code, signal, stderr } = await rerank({ BACKEND: "cpu" });
      expect([name, code, signal]).toEqual([name, 1, null]);
      expect(stderr).toContain("names a file that is no library in the package's folder");
      expect(stderr).toContain(renew);
    }
  });

  it("says of every library which one is damaged, before it is opened", async () => {
    for (const file of libraries) {
      const path = installation.library(addonPackage, file);
      await flipByte(path);
      const { code, signal, stderr } = await rerank({ BACKEND: "cpu" });
      expect([file, code, signal]).toEqual([file, 1, null]);
      expect(stderr).toContain(`${path}: the file is damaged`);
      expect(stderr).toContain(renew);
      await copyFile(join(builtLibraries, file), path);
    }
  });

  it("takes another variant of the CPU backend when one is damaged, and tells", async () => {
    const variant = (name: string) => join(scratch, `libggml-cpu-${name}.so`);
    for (const name of ["one", "two"]) await copyFile(join(builtLibraries, "libggml-cpu.so"), variant(name));
    const others = libraries.filter((file) => file !== "libggml-cpu.so").map((file) => join(builtLibraries, file));
    await rm(installation.folder(addonPackage), { recursive: true });
    await installation.install(addonPackage, [...others, variant("one"), variant("two")]);
    await flipByte(installation.library(addonPackage, "libggml-cpu-one.so"));
    const { code, stdout } = await installation.run(["info", "--json"]);
    expect(code).toBe(0);
    const info = JSON.parse(stdout);
    expect(info.backends.at(-1).library).toBe(installation.library(addonPackage, "libggml-cpu-two.so"));
    expect(info.findings).toMatchObject([{ what: installation.library(addonPackage, "libggml-cpu-one.so"), fix: renew }]);
  });

  describe("with JINA_RERANKER_NATIVE", () => {
    const folder = () => join(scratch, "explicit");

    beforeEach(async () => {
      await rm(folder(), { recursive: true, force: true });
      await mkdir(folder());
      for (const file of libraries) await cp(join(builtLibraries, file), join(folder(), file));
    });

    it("takes that folder and no other", async () => {
      const { stdout } = await installation.run(["info", "--json"], { JINA_RERANKER_NATIVE: folder() });
      expect(JSON.parse(stdout).backends.at(-1).library).toBe(join(folder(), "libggml-cpu.so"));
      const { code, stderr } = await rerank({ JINA_RERANKER_NATIVE: scratch });
      expect(code).toBe(1);
      expect(stderr).toContain(`${scratch}: JINA_RERANKER_NATIVE: no .node file there`);
    });

    it.each(["libggml-cpu.so", "libllama.so", "libggml-base.so"])("says that %s is cut short rather than crash", async (file) => {
      await truncate(join(folder(), file), 100_000);
      const { code, signal, stderr } = await rerank({ JINA_RERANKER_NATIVE: folder() });
      expect([code, signal]).toEqual([1, null]);
      expect(stderr).toContain(`${join(folder(), file)}: the file is cut short`);
    });

    it("names a library that the addon needs and that is not there", async () => {
      await rm(join(folder(), "libllama.so"));
      const { code, stderr } = await rerank({ JINA_RERANKER_NATIVE: folder() });
      expect(code).toBe(1);
      expect(stderr).toContain("libllama.so: cannot open shared object file");
    });
  });

  describe.skipIf(compiler === undefined)("with a package for a GPU", () => {
    const cuda = `${addonPackage}-cuda`;
    const statusOf = (stdout: string, backend: string) =>
      JSON.parse(stdout).backends.find((status: { backend: string }) => status.backend === backend);
    /** Stands in for the driver's library; the loader looks no further than whether there is one. */
    const withDriver = () => {
      tinyLibrary(join(scratch, "driver"), "libcuda.so.1");
      return { LD_LIBRARY_PATH: join(scratch, "driver") };
    };

    it("names cuBLAS when the backend's library needs it and the toolkit has none, and ranks on the CPU", async () => {
      const build = join(scratch, "toolkit");
      tinyLibrary(build, "libcublas.so.99");
      await installation.install(cuda, [tinyLibrary(build, "libggml-cuda.so", ["libcublas.so.99"])]);
      const variables = withDriver();
      const status = statusOf((await installation.run(["info", "--json"], variables)).stdout, "cuda");
      expect(status.reason).toContain("libcublas.so.99: cannot open shared object file");
      expect(status.fix).toContain("cuBLAS of CUDA 99");
      expect((await rerank(variables)).code).toBe(0);
      const forced = await rerank({ ...variables, BACKEND: "cuda" });
      expect(forced.code).toBe(1);
      expect(forced.stderr).toContain("backend cuda");
      expect(forced.stderr).toContain("libcublas.so.99");
    });

    it("does not open a damaged one: the CPU is used, and forcing the GPU names the file", async () => {
      await installation.install(cuda, [tinyLibrary(join(scratch, "plain"), "libggml-cuda.so")]);
      const path = installation.library(cuda, "libggml-cuda.so");
      await flipByte(path);
      const variables = withDriver();
      expect((await rerank(variables)).code).toBe(0);
      expect((await rerank({ ...variables, BACKEND: "cpu" })).code).toBe(0);
      const forced = await rerank({ ...variables, BACKEND: "cuda" });
      expect(forced.code).toBe(1);
      expect(forced.stderr).toContain(`${path}: the file is damaged`);
      expect(forced.stderr).toContain(`rm -r node_modules/${cuda} && npm install`);
    });

    it("is not opened when the CPU is asked for, neither for ranking nor for serving", async () => {
      await installation.install(cuda, [deadlyLibrary(join(scratch, "deadly"), "libggml-cuda.so")]);
      const variables = { ...withDriver(), ...model };
      expect((await rerank(variables)).signal).toBe("SIGABRT");
      expect((await rerank({ ...variables, BACKEND: "cpu" })).code).toBe(0);
      // A port that is taken ends the service once it is ready to listen.
      await using taken = createServer();
      taken.listen(0, "127.0.0.1");
      await once(taken, "listening");
      const address = taken.address();
      const port = typeof address === "object" && address !== null ? String(address.port) : "";
      const served = await installation.run(["serve", "--backend", "cpu", "--host", "127.0.0.1", "--port", port], variables);
      expect([served.code, served.signal]).toEqual([1, null]);
      expect(served.stderr).toContain(`port ${port}`);
    });

    it("is named, with its command, when there is a driver and it is not installed: in `info`, in the log, and when it is forced", async () => {
      const variables = withDriver();
      const command = `npm install ${cuda}@${installation.version}`;
      const status = statusOf((await installation.run(["info", "--json"], variables)).stdout, "cuda");
      expect(status).toMatchObject({
        state: "not usable",
        what: cuda,
        reason: "not installed, but there is a driver",
        fix: command,
      });
      const ranked = await rerank(variables);
      expect([ranked.code, ranked.stderr]).toEqual([0, expect.stringContaining(`${cuda} is missing. Fix: ${command}`)]);
      const forced = await rerank({ ...variables, BACKEND: "cuda" });
      expect([forced.code, forced.stderr]).toEqual([1, expect.stringContaining(command)]);
      expect((await rerank({ ...variables, BACKEND: "cpu" })).stderr).not.toContain(cuda);
    });

    it("does not use one of another version", async () => {
      await installation.install(cuda, [tinyLibrary(join(scratch, "plain"), "libggml-cuda.so")], "0.0.1");
      const status = statusOf((await installation.run(["info", "--json"], withDriver())).stdout, "cuda");
      expect(status).toMatchObject({ state: "not usable", reason: `is 0.0.1, this is ${installation.version}` });
      expect(status.fix).toBe(`npm install ${cuda}@${installation.version}`);
    });

    it("says of a library that is no backend that it cannot be started", async () => {
      await installation.install(cuda, [tinyLibrary(join(scratch, "plain"), "libggml-cuda.so")]);
      const { stdout } = await installation.run(["info", "--json"], withDriver());
      expect(statusOf(stdout, "cuda")).toMatchObject({
        state: "not usable",
        reason: expect.stringContaining("ggml_backend_init"),
      });
    });
  });
});
