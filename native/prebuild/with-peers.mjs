/**
 * Makes dependencies of optional peers in the package.json of the working directory, in their tested versions, for an image or an
 * archive that has to bring them: npm counts them as development's otherwise.
 *
 *     node native/prebuild/with-peers.mjs PREFIX…        those whose names begin so: sharp @opentelemetry/
 */
import { readFileSync, writeFileSync } from "node:fs";

const path = "package.json";
const manifest = JSON.parse(readFileSync(path, "utf8"));
for (const prefix of process.argv.slice(2)) {
  const names = Object.keys(manifest.peerDependencies).filter((name) => name.startsWith(prefix));
  if (names.length === 0) throw new Error(`${prefix}: no optional peer's name begins so`);
  for (const name of names) {
    manifest.dependencies[name] = manifest.devDependencies[name];
    delete manifest.devDependencies[name];
  }
}
writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`);
