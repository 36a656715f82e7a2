/**
 * For a container image, in the stage that builds it: makes dependencies of the optional peers that a service can need there, so
 * that `npm prune --omit=dev` keeps them: sharp, which reads images, and OpenTelemetry. An image needs no compiler's packages.
 *
 *     node native/prebuild/image-dependencies.mjs && npm prune --omit=dev
 */
import { readFileSync, writeFileSync } from "node:fs";

const path = "package.json";
const manifest = JSON.parse(readFileSync(path, "utf8"));
const wanted = Object.keys(manifest.peerDependencies).filter((name) => name === "sharp" || name.startsWith("@opentelemetry/"));
for (const name of wanted) {
  manifest.dependencies[name] = manifest.devDependencies[name];
  delete manifest.devDependencies[name];
}
writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`);
