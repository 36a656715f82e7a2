/**
 * This machine's part of a release: builds the packages that it can build, runs every check, runs the tests of scores again on
 * the packed libraries, packs, and prints what the other machines must do.
 *
 *     node native/prebuild/release.mjs [--skip-checks]
 *
 * It publishes nothing: run `npm publish` for each tarball, the main package last. --skip-checks leaves out the checks that `npm
 * test` makes, but never the tests of scores.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildTarget, librariesOf } from "./build.mjs";
import { buildCommand, packageName, platformOf, runsHere, targets, targetsHere } from "./targets.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
const log = (line) => process.stderr.write(`${line}\n`);

/** Extracts CMake's error message, which stands between two fixed lines. */
function reasonOf(error) {
  const [, said] = error.message.match(/CMake Error[^\n]*\n([\s\S]*?)(?:\nCall Stack|\n\n)/) ?? [];
  return (said ?? error.message.split("\n")[0]).replace(/\s+/g, " ").trim();
}

function mustRun(what, args, variables = {}) {
  log(`\n== ${what}`);
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...variables } });
  if (status !== 0) throw new Error(`${what}: failed; nothing was packed`);
}

try {
  const { values: flags } = parseArgs({ options: { "skip-checks": { type: "boolean", default: false } } });
  const notBuilt = new Map();
  for (const target of targetsHere()) {
    try {
      await buildTarget(target, log);
    } catch (error) {
      if (target.backend === undefined && runsHere(target)) throw error;
      notBuilt.set(target.name, reasonOf(error));
    }
  }
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  if (!flags["skip-checks"]) mustRun("every check", [join(root, "test", "run.mjs")]);
  const addon = targetsHere().find(runsHere);
  if (addon) {
    const scores = ["batch", "parity", "document-cache"].map((name) => `test/engine/${name}.test.ts`);
    mustRun("the scores, on the packed libraries", [vitest, "run", ...scores], { JINA_RERANKER_NATIVE: librariesOf(addon) });
  }
  mustRun("packing", [join(root, "native", "prebuild", "pack.mjs")]);

  log("\n== the other machines");
  for (const target of targetsHere().filter((other) => !runsHere(other) && !notBuilt.has(other.name))) {
    log(`${packageName(target)}: was built and packed here; try it on ${platformOf(target)}`);
  }
  for (const target of targets.filter((other) => notBuilt.has(other.name) || !existsSync(librariesOf(other)))) {
    const reason = notBuilt.get(target.name);
    log(`${packageName(target)}: on ${target.runner}, with ${target.needs}: npm run setup && ${buildCommand(target)}`);
    log(`    then node native/prebuild/pack.mjs ${target.name}${reason ? `\n    not here: ${reason}` : ""}`);
  }
} catch (error) {
  log(error.message);
  process.exitCode = 1;
}
