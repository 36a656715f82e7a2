/**
 * A hash of files, which decides whether a step must run again. Names and contents count, times do not: a fresh clone, a copy and
 * a restored cache have the same hash.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** All files below `path`, or `path` itself if it is a file: relative to `root`, sorted, the same on every platform. */
export function filesBelow(root, path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      relative(root, join(entry.parentPath ?? entry.path, entry.name))
        .split(sep)
        .join("/"),
    )
    .sort();
}

/** sha256 of files (paths relative to `root`) and of `options`, any JSON value. */
export function contentHash(root, files, options) {
  const hash = createHash("sha256").update(JSON.stringify(options));
  for (const file of files) {
    const content = readFileSync(join(root, file));
    hash.update(`\0${file}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

/** The content of an earlier run's stamp file; undefined = it is missing or cannot be read. */
export function readStamp(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}
