/** What an installation put into a project's folder: its packages, their bytes, and which of ours are among them. */
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

function* entriesBelow(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    yield { path, entry };
    // A link leads to a folder that is counted where it lies.
    if (entry.isDirectory()) yield* entriesBelow(path);
  }
}

/** `node_modules/name` and `node_modules/@scope/name`. */
function isPackage(folder) {
  const above = dirname(folder);
  return basename(above) === "node_modules" || (basename(above).startsWith("@") && basename(dirname(above)) === "node_modules");
}

/** Packages of Yarn's Plug'n'Play are archives: `name-npm-version-checksum.zip`. Those that it unpacks are archives too. */
const isArchive = (path) => /-npm-[^/\\]+\.zip$/.test(path);

export function folderSize(...folders) {
  let bytes = 0;
  const names = [];
  for (const { path, entry } of folders.flatMap((folder) => [...entriesBelow(folder)])) {
    if (!entry.isFile()) continue;
    bytes += lstatSync(path).size;
    if (isArchive(path))
      names.push(
        basename(path)
          .replace(/-npm-.*/, "")
          .replace(/^(@[^-]+(?:-reranker)?)-/, "$1/"),
      );
    else if (entry.name === "package.json" && isPackage(dirname(path)) && !path.includes("unplugged")) {
      names.push(JSON.parse(readFileSync(path, "utf8")).name);
    }
  }
  const ours = names.filter((name) => name?.startsWith("@jina-reranker/")).map((name) => name.split("/")[1]);
  return { packages: names.length, megabytes: bytes / 1e6, ours: [...new Set(ours)].sort() };
}
