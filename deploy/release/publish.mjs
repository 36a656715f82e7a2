/**
 * Publishes the tarballs of a release: the packages of platforms first, the main one last. A version that the registry has is
 * skipped, so that a run that failed can be repeated.
 *
 *     node deploy/release/publish.mjs [--dry-run] FOLDER
 *
 * It needs npm 11.5 or newer in a workflow of GitHub, which npm's trusted publishing knows by its token; there are no secrets. A
 * version such as 1.2.3-rc.1 gets the tag `next`.
 */
import { spawnSync } from "node:child_process";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { manifestOf, targets } from "../../native/prebuild/targets.mjs";
import { requireRelease, tarballsIn } from "./tarballs.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
const npm = (args, stdio) => spawnSync("npm", args, { cwd: root, encoding: "utf8", stdio, shell: process.platform === "win32" });

/** Every package of the table must be there: the main one would name a package that nobody can install. */
function requireAllTargets(tarballs) {
  const names = tarballs.map(({ manifest }) => manifest.name);
  const missing = targets.map((target) => manifestOf(target, {}).name).filter((name) => !names.includes(name));
  if (missing.length > 0) throw new Error(`expected tarballs of all packages, found none of ${missing.join(", ")}`);
}

function isPublished({ name, version }) {
  const { status, stdout, stderr } = npm(["view", `${name}@${version}`, "version", "--json"], ["ignore", "pipe", "pipe"]);
  if (status === 0) return stdout.trim() !== "";
  // Any other failure, such as no network, must not pass for "not published".
  if (/E404/.test(stdout + stderr)) return false;
  throw new Error(`${name}@${version}: the registry does not say whether it is published: ${stderr}`);
}

/** `dryRun`: npm says what it would publish. */
export function publish(tarballs, { dryRun, log }) {
  for (const { file, manifest } of tarballs) {
    const named = `${manifest.name}@${manifest.version}`;
    if (isPublished(manifest)) {
      log(`${named}: is published already`);
      continue;
    }
    const tag = manifest.version.includes("-") ? "next" : "latest";
    // npm looks for a provenance's workflow in a rehearsal too, and outside of one there is none.
    const how = dryRun ? ["--dry-run", "--provenance=false"] : ["--provenance"];
    const { status } = npm(["publish", file, "--access", "public", "--tag", tag, "--ignore-scripts", ...how], "inherit");
    if (status !== 0) throw new Error(`${named}: npm publish failed; run this again to go on from here`);
    log(`${named}: ${dryRun ? "would be published" : "published"} as ${tag}`);
  }
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const log = (line) => process.stderr.write(`${line}\n`);
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { "dry-run": { type: "boolean", default: false } },
    });
    if (positionals.length !== 1) throw new Error("usage: node deploy/release/publish.mjs [--dry-run] FOLDER");
    const tarballs = tarballsIn(resolve(positionals[0]));
    requireRelease(tarballs);
    if (!values["dry-run"]) requireAllTargets(tarballs);
    publish(tarballs, { dryRun: values["dry-run"], log });
  } catch (error) {
    log(error.message);
    process.exitCode = 1;
  }
}
