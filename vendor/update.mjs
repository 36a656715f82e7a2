/**
 * Moves the pin of llama.cpp to the newest version of the npm package that contains it, or to a given one: reads the version's
 * hash from the registry, fetches the tarball, and writes what it holds into llama.cpp.json. vendor/README.md says what to do
 * next.
 *
 *     node vendor/update.mjs [VERSION]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fetchClone } from "./materialise.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const path = join(here, "llama.cpp.json");
const pin = JSON.parse(readFileSync(path, "utf8"));
/** The file of the package that names llama.cpp's release. */
const about = "llama/llama.cpp.info.json";
const log = (line) => process.stderr.write(`${line}\n`);

function published(wanted) {
  const fields = ["view", `${pin.package}@${wanted}`, "version", "dist.integrity", "--json"];
  const { version, "dist.integrity": integrity } = JSON.parse(execFileSync("npm", fields, { encoding: "utf8" }));
  return { version, integrity };
}

/** The pin of a version, from what its tarball holds. */
function pinOf({ version, integrity }) {
  const work = mkdtempSync(join(here, ".materialise-"));
  try {
    const { tarball, commit } = fetchClone({ ...pin, version, integrity }, work);
    // The bundle has no tags.
    const { tag: release } = JSON.parse(execFileSync("tar", ["-xzOf", tarball, `package/${about}`], { encoding: "utf8" }));
    const downloadMB = Math.round(statSync(tarball).size / 1e6);
    return { release, commit, package: pin.package, version, integrity, bundle: pin.bundle, downloadMB };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

try {
  const found = published(process.argv[2] ?? "latest");
  if (found.version === pin.version) log(`${pin.package}@${pin.version} is pinned already: llama.cpp ${pin.release}`);
  else {
    const next = pinOf(found);
    writeFileSync(path, `${JSON.stringify(next, null, 2)}\n`);
    log(`llama.cpp ${pin.release} -> ${next.release} (${pin.package} ${pin.version} -> ${next.version})`);
  }
} catch (error) {
  log(error.stderr || error.message);
  process.exitCode = 1;
}
