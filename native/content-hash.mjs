/**
 * A hash over what files contain, for deciding whether a step has to run again. Names and contents count, times do not:
 * a fresh clone, a copy and a restored cache all look alike.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** Every file below `path` (or `path` itself), relative to `root`, sorted; the same on every platform. */
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

/** sha256 over files (paths relative to `root`) and over `options`, anything JSON can hold. */
export function contentHash(root, files, options) {
  const hash = createHash("sha256").update(JSON.stringify(options));
  for (const file of files) {
    const content = readFileSync(join(root, file));
    hash.update(`\0${file}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

/** What an earlier run noted in a stamp file; undefined when there is none or it cannot be read. */
export function readStamp(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}
