/**
 * Whether this commit can be released: package.json's version is new, and CHANGELOG.md and the lock file have it.
 *
 *     node deploy/release/readiness.mjs              before the tag: the tree must be clean and the tag free
 *     node deploy/release/readiness.mjs --tag TAG    at the tag: its name must be the version's
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { entryOf, version } from "./changelog.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");

export const tagOf = (wanted) => `v${wanted}`;

const git = (...args) => spawnSync("git", args, { cwd: root, encoding: "utf8" });

function beforeTag() {
  const tag = tagOf(version);
  const changed = git("status", "--porcelain").stdout.trim();
  return [
    changed !== "" && `the tree: expected no changes, got\n${changed}`,
    git("rev-parse", "--quiet", "--verify", `refs/tags/${tag}`).status === 0 &&
      `${tag}: expected a tag that does not exist yet; raise package.json's version`,
  ];
}

const atTag = (tag) => [tag !== tagOf(version) && `the tag: expected ${tagOf(version)}, package.json's version, got ${tag}`];

/** What stands in the way of a release; empty = nothing. */
export function obstacles({ tag } = {}) {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  return [
    ...(tag === undefined ? beforeTag() : atTag(tag)),
    !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version) && `package.json: expected a version such as 1.2.3 or 1.2.3-rc.1, got ${version}`,
    lock.version !== version &&
      `package-lock.json: expected version ${version}, got ${lock.version}: npm install --package-lock-only`,
    entryOf(version) === undefined && `CHANGELOG.md: expected an entry "## ${version}", found none`,
    entryOf("Unreleased") !== undefined && `CHANGELOG.md: expected no entry "## Unreleased": its changes are those of ${version}`,
    entryOf(version)?.includes("not yet published") && `CHANGELOG.md: the entry of ${version} says that it is not yet published`,
  ].filter(Boolean);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { tag: { type: "string" } } });
  const found = obstacles(values);
  for (const obstacle of found) process.stderr.write(`${obstacle}\n`);
  process.exitCode = found.length > 0 ? 1 : 0;
}
