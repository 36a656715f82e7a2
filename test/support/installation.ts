/**
 * Makes a folder with jina-reranker as npm would install it: the built TypeScript, and packages of libraries from this checkout's
 * build. The folder lies in build/, so that Node finds dependencies in the checkout's node_modules.
 */

import { createHash } from "node:crypto";
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Ended, type RunningCommand, startCommand } from "./command.js";

const root = join(import.meta.dirname, "..", "..");
export const platform = `${process.platform}-${process.arch}`;
export const addonPackage = `@jina-reranker/${platform}`;
export const builtLibraries = join(root, "build", "Release");
const gpu = /ggml-(cuda|vulkan)\./;

/** The files of the addon's package, made from this checkout. */
export async function addonLibraries(): Promise<string[]> {
  const files = await readdir(builtLibraries);
  return files.filter((file) => /\.(node|so)$/.test(file) && !gpu.test(file)).sort();
}

export class Installation implements AsyncDisposable {
  readonly version: string;
  readonly #directory: string;

  private constructor(directory: string, version: string) {
    this.#directory = directory;
    this.version = version;
  }

  static async create(): Promise<Installation> {
    await mkdir(join(root, "build"), { recursive: true });
    const directory = await mkdtemp(join(root, "build", "installation-"));
    const { version }: { version: string } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    const installation = new Installation(directory, version);
    const main = installation.folder("jina-reranker");
    await mkdir(main, { recursive: true });
    await cp(join(root, "dist"), join(main, "dist"), { recursive: true });
    await copyFile(join(root, "package.json"), join(main, "package.json"));
    return installation;
  }

  /** Writes a file into the folder; it is removed with the folder. */
  scratch(name: string): string {
    return join(this.#directory, name);
  }

  folder(name: string): string {
    return join(this.#directory, "node_modules", name);
  }

  library(name: string, file: string): string {
    return join(this.folder(name), "prebuilds", platform, file);
  }

  /** Makes a package of these files, with their present checksums. */
  async install(name: string, files: readonly string[], version = this.version): Promise<void> {
    const libraries: Record<string, string> = {};
    await mkdir(join(this.folder(name), "prebuilds", platform), { recursive: true });
    for (const file of files) {
      await copyFile(file, this.library(name, basename(file)));
      libraries[basename(file)] = createHash("sha256")
        .update(await readFile(file))
        .digest("hex");
    }
    await writeFile(join(this.folder(name), "package.json"), JSON.stringify({ name, version, libraries }));
  }

  async remove(name: string): Promise<void> {
    await rm(this.folder(name), { recursive: true, force: true });
  }

  async installAddon(): Promise<void> {
    await this.install(
      addonPackage,
      (await addonLibraries()).map((file) => join(builtLibraries, file)),
    );
  }

  /** Starts the installed command. The variables of whoever runs the tests do not matter. */
  start(args: readonly string[], variables: Readonly<Record<string, string>> = {}): RunningCommand {
    const program = join(this.folder("jina-reranker"), "dist", "cli", "main.js");
    return startCommand(args, { N_THREADS: "1", HF_HUB_OFFLINE: "1", ...variables }, program);
  }

  async run(args: readonly string[], variables: Readonly<Record<string, string>> = {}, input = ""): Promise<Ended> {
    const { child, ended } = this.start(args, variables);
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    return ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}
