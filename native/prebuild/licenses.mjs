/**
 * Writes the licences for a package or an image: ours, llama.cpp's and those of code inside it, and those of what is bundled
 * into the pages, which have to be built. npm dependencies bring their own.
 *
 *     node native/prebuild/licenses.mjs FOLDER
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { llamaDirectory, materialise } from "../../vendor/materialise.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
/** Folders of llama.cpp whose code is compiled into our libraries. */
const compiled = ["include", "src", "ggml/include", "ggml/src"];
const notCompiled = /ggml-(sycl|openvino|cann|hexagon|opencl|webgpu|virtgpu|zdnn|zendnn|musa|hip|rpc)/;
const sources = new Set([".c", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".comp", ".glsl", ".m", ".metal"]);
const comments = /\/\*[\s\S]*?\*\/|(?:^[ \t]*\/\/.*\n?)+/gm;

/** The comments in the sources with other authors' copyrights, each once. */
function notices(directory) {
  const found = new Map();
  for (const folder of compiled) {
    for (const entry of readdirSync(join(directory, folder), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath ?? entry.path, entry.name);
      if (!entry.isFile() || !sources.has(extname(path)) || notCompiled.test(path)) continue;
      for (const [comment] of readFileSync(path, "utf8").matchAll(comments)) {
        if (!/copyright (\(c\)|©|\d)/i.test(comment)) continue;
        const text = comment.trim();
        found.set(text, [...(found.get(text) ?? []), path.slice(directory.length + 1)]);
      }
    }
  }
  return [...found].map(([text, paths]) => `${paths.sort().join("\n")}\n\n${text}\n`).sort();
}

/** Creates the folder and writes one file for each licence. */
export function writeLicenses(folder) {
  materialise((line) => process.stderr.write(`${line}\n`));
  const llama = llamaDirectory();
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(root, "LICENSE"), join(folder, "jina-reranker"));
  copyFileSync(join(llama, "LICENSE"), join(folder, "llama.cpp"));
  for (const name of readdirSync(join(llama, "licenses"))) {
    copyFileSync(join(llama, "licenses", name), join(folder, `llama.cpp-${name.replace(/^LICENSE-/, "")}`));
  }
  writeFileSync(join(folder, "llama.cpp-notices"), notices(llama).join(`\n${"-".repeat(80)}\n\n`));
  const bundled = ["playground", "reference"].map((page) =>
    readFileSync(join(root, "dist", page, "assets", "licenses.txt"), "utf8"),
  );
  writeFileSync(join(folder, "pages"), bundled.join(`\n${"-".repeat(80)}\n\n`));
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) {
    process.stderr.write("usage: node native/prebuild/licenses.mjs FOLDER\n");
    process.exit(2);
  }
  writeLicenses(resolve(folder));
}
