/** Builds empty shared libraries, which stand in for a driver or a toolkit. Needs Linux with a compiler. */

import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const compiler = ["cc", "gcc", "clang"].find((name) => spawnSync(name, ["--version"]).status === 0);

/** Source of a library that ends the process when it is opened. */
export function deadlyLibrary(directory: string, file: string): string {
  return compile(directory, file, "#include <stdlib.h>\n__attribute__((constructor)) static void opened(void) { abort(); }\n");
}

/** Builds `file` in the folder. It depends on the libraries `needs`, which must be in the folder already. */
export function tinyLibrary(directory: string, file: string, needs: readonly string[] = []): string {
  return compile(directory, file, `int tiny_${file.replace(/\W/g, "_")};\n`, needs);
}

function compile(directory: string, file: string, text: string, needs: readonly string[] = []): string {
  mkdirSync(directory, { recursive: true });
  const source = join(directory, `${file}.c`);
  const path = join(directory, file);
  writeFileSync(source, text);
  const links = needs.map((name) => `-l:${name}`);
  const args = ["-shared", "-fPIC", "-o", path, source, `-Wl,-soname,${file}`, "-Wl,--no-as-needed", `-L${directory}`, ...links];
  const { status, stderr } = spawnSync(compiler ?? "cc", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${file} could not be compiled: ${stderr}`);
  return path;
}
