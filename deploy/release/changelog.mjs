/**
 * The entries of CHANGELOG.md.
 *
 *     node deploy/release/changelog.mjs [VERSION]        prints a version's entry; default: package.json's
 */
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");

export const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** The text below a version's heading; undefined = there is none. */
export function entryOf(wanted, text = readFileSync(join(root, "CHANGELOG.md"), "utf8")) {
  const parts = text.split(/^## /m).slice(1);
  const found = parts.find((part) => part.split("\n", 1)[0].trim() === wanted);
  const entry = found?.slice(found.indexOf("\n")).trim();
  return entry === "" ? undefined : entry;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const wanted = process.argv[2] ?? version;
  const entry = entryOf(wanted);
  if (entry !== undefined) process.stdout.write(`${entry}\n`);
  else {
    process.stderr.write(`CHANGELOG.md: expected an entry "## ${wanted}", found none\n`);
    process.exitCode = 1;
  }
}
