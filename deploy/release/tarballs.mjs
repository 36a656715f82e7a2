/**
 * The tarballs in a folder, in the order in which they are published: the packages of platforms first, the main one last, so
 * that nobody can install a main package whose optional dependencies are not there yet.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const mainName = "jina-reranker";

/** A tarball's manifest. tar gets a name without a folder: GNU tar takes `C:` for the name of a host. */
function manifestIn(folder, name) {
  return JSON.parse(execFileSync("tar", ["-xzOf", name, "package/package.json"], { cwd: folder, encoding: "utf8" }));
}

/** Each with its path, size in bytes, manifest, and the checksums that a registry gives. */
export function tarballsIn(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  if (names.length === 0) throw new Error(`${folder}: expected tarballs of native/prebuild/pack.mjs, found none`);
  const found = names.map((name) => {
    const bytes = readFileSync(join(folder, name));
    return {
      file: join(folder, name),
      name,
      size: bytes.length,
      manifest: manifestIn(folder, name),
      integrity: `sha512-${createHash("sha512").update(bytes).digest("base64")}`,
      shasum: createHash("sha1").update(bytes).digest("hex"),
    };
  });
  const isMain = ({ manifest }) => manifest.name === mainName;
  return found.sort((a, b) => isMain(a) - isMain(b) || (a.manifest.name < b.manifest.name ? -1 : 1));
}

/** The tarballs must be one release: the main package, and all of one version. */
export function requireRelease(tarballs) {
  const main = tarballs.find(({ manifest }) => manifest.name === mainName);
  if (!main) throw new Error(`expected a tarball of ${mainName}, got ${tarballs.map(({ name }) => name).join(", ")}`);
  const other = tarballs.find(({ manifest }) => manifest.version !== main.manifest.version);
  if (other) throw new Error(`${other.name}: expected version ${main.manifest.version}, got ${other.manifest.version}`);
  return main;
}
