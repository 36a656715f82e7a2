/**
 * Makes a release: checks that this commit can be one, builds and packs what this machine can build, runs every check, installs
 * the tarballs in an empty folder and ranks there, and makes the tag. Pushing the tag starts .github/workflows/release.yml, which
 * builds every platform and publishes; this command publishes nothing.
 *
 *     npm run release -- [--dry-run] [--skip-checks]
 *     npm run release -- --dry-run --libraries FOLDER
 *
 * --dry-run makes no tag, and tells at the end what stands in the way of one. --skip-checks leaves out the checks that `npm test`
 * makes, but never the tests of scores. --libraries rehearses with libraries that are built already: nothing is built or tested.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildCommand, packageName, platformOf, runsHere, targets, targetsHere } from "../../native/prebuild/targets.mjs";
import { entryOf, version } from "./changelog.mjs";
import { obstacles, tagOf } from "./readiness.mjs";
import { requireRelease, tarballsIn } from "./tarballs.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
const destination = join(root, "build", "release");
const log = (line) => process.stderr.write(`${line}\n`);

/** Extracts CMake's error message, which stands between two fixed lines. */
function reasonOf(error) {
  const [, said] = error.message.match(/CMake Error[^\n]*\n([\s\S]*?)(?:\nCall Stack|\n\n)/) ?? [];
  return (said ?? error.message.split("\n")[0]).replace(/\s+/g, " ").trim();
}

function mustRun(what, args, variables = {}) {
  log(`\n== ${what}`);
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...variables } });
  if (status !== 0) throw new Error(`${what}: failed; no tag was made`);
}

const pack = (...args) =>
  mustRun("packing", [join(root, "native", "prebuild", "pack.mjs"), "--destination", destination, ...args]);

/** Builds what can be built here. Returns the reasons for which others are not. */
async function build() {
  // The builder needs packages that the set-up installs.
  const { buildTarget } = await import("../../native/prebuild/build.mjs");
  const notBuilt = new Map();
  for (const target of targetsHere()) {
    try {
      await buildTarget(target, log);
    } catch (error) {
      if (target.backend === undefined && runsHere(target)) throw error;
      notBuilt.set(target.name, reasonOf(error));
    }
  }
  return notBuilt;
}

async function check(skipChecks) {
  const { librariesOf } = await import("../../native/prebuild/build.mjs");
  if (!skipChecks) mustRun("every check", [join(root, "test", "run.mjs")]);
  const addon = targetsHere().find(runsHere);
  if (!addon) return;
  const scores = ["batch", "parity", "document-cache"].map((name) => `test/engine/${name}.test.ts`);
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  mustRun("the scores, on the packed libraries", [vitest, "run", ...scores], { JINA_RERANKER_NATIVE: librariesOf(addon) });
}

/** Says what is published, in which order, and where each package comes from. */
function plan(tarballs, notBuilt) {
  const [main, ...packages] = [...tarballs].reverse();
  const built = new Map(packages.map((tarball) => [tarball.manifest.name, tarball]));
  const size = ({ size: bytes }) => `${(bytes / 1e6).toFixed(2)} MB`;
  log("\n== what would be published, in this order");
  const inOrder = [...targets].sort((a, b) => (packageName(a) < packageName(b) ? -1 : 1));
  for (const target of inOrder) {
    const tarball = built.get(packageName(target));
    const reason = notBuilt.get(target.name);
    const where = tarball
      ? `${size(tarball)}${runsHere(target) ? "" : `; was built here: try it on ${platformOf(target)}`}`
      : `on ${target.runner}, with ${target.needs}: ${buildCommand(target)}${reason ? `; not here: ${reason}` : ""}`;
    log(`${packageName(target)}@${version}  ${where}`);
  }
  log(`${main.manifest.name}@${version}  ${size(main)}`);
}

function makeTag() {
  const tag = tagOf(version);
  const { status } = spawnSync("git", ["tag", "--annotate", tag, "--message", `${tag}\n\n${entryOf(version)}`], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error(`git could not make the tag ${tag}`);
  log(`\n${tag} is made. Publish it with\n    git push origin ${tag}`);
}

try {
  const { values: flags } = parseArgs({
    options: {
      "dry-run": { type: "boolean", default: false },
      "skip-checks": { type: "boolean", default: false },
      libraries: { type: "string" },
    },
  });
  const dryRun = flags["dry-run"];
  if (flags.libraries !== undefined && !dryRun)
    throw new Error("--libraries: expected --dry-run beside it; a release is built from its sources");
  const found = obstacles();
  if (found.length > 0 && !dryRun) throw new Error(found.join("\n"));

  rmSync(destination, { recursive: true, force: true });
  mkdirSync(destination, { recursive: true });
  let notBuilt = new Map();
  if (flags.libraries !== undefined) {
    pack(
      "--libraries",
      resolve(flags.libraries),
      targets.find((target) => runsHere(target) && target.backend === undefined).name,
    );
    pack("main");
  } else {
    mustRun("setting up", [join(root, "native", "setup.mjs"), "--tests"]);
    notBuilt = await build();
    await check(flags["skip-checks"]);
    pack();
  }
  const tarballs = tarballsIn(destination);
  requireRelease(tarballs);
  mustRun("installing and ranking", [
    join(root, "deploy", "release", "smoke.mjs"),
    "--tarballs",
    destination,
    "--manager",
    "npm@11",
  ]);

  log(`\n== the entry of ${version}\n${entryOf(version)}`);
  plan(tarballs, notBuilt);
  if (!dryRun) makeTag();
  else if (found.length === 0) log(`\nThe tag would be ${tagOf(version)}. npm run release makes it.`);
  else
    throw new Error(`\nThe tag would be ${tagOf(version)}. In its way:\n${found.map((obstacle) => `- ${obstacle}`).join("\n")}`);
} catch (error) {
  log(error.message);
  process.exitCode = 1;
}
