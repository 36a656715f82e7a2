/**
 * The files of llama.cpp for the published package: an archive of the sources that a build needs, and the vocabulary that the
 * demo model is made from. Both are compressed with Brotli, which every Node can read.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { llamaDirectory, materialise } from "../../vendor/materialise.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
const pin = JSON.parse(readFileSync(join(root, "vendor", "llama.cpp.json"), "utf8"));
const parts = ["CMakeLists.txt", "cmake", "src", "include", "ggml", "LICENSE", "licenses", "vendor"];
const vocabulary = join("models", "ggml-vocab-qwen2.gguf");

/** Quality 11 would take minutes and save a tenth. */
const quality = 9;

/** Compressed once for each pinned commit. */
function packed(name, log, content) {
  const path = join(root, "build", "packages", "sources", `${pin.commit.slice(0, 12)}-${name}`);
  if (!existsSync(path)) {
    log(`${name}: compressing`);
    const bytes = content();
    const compressed = brotliCompressSync(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: quality,
        [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    });
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.part`, compressed);
    renameSync(`${path}.part`, path);
  }
  return path;
}

/** Paths of the two compressed files. */
export function llamaSources(log) {
  materialise(log);
  const directory = llamaDirectory();
  return {
    archive: packed("llama.cpp.tar.br", log, () =>
      // Fixed owner, order and time, so that the bytes are always the same. Links are followed: no link is unpacked.
      execFileSync(
        "tar",
        [
          "--create",
          "--dereference",
          "--sort=name",
          "--owner=0",
          "--group=0",
          "--numeric-owner",
          "--mtime=@0",
          "-C",
          directory,
          ...parts,
        ],
        { maxBuffer: 1 << 30 },
      ),
    ),
    vocabulary: packed("qwen2-vocabulary.gguf.br", log, () => readFileSync(join(directory, vocabulary))),
  };
}
