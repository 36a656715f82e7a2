/**
 * The package managers that a release is installed with. Each comes from an npm package, so that any Node has all of them:
 *
 *     package     what is installed to get the manager
 *     node        the oldest Node that it runs on, when that is newer than ours
 *     command     the manager's program among the installed packages: a script for Node, or a binary
 *     files       what it is configured with, besides package.json and .npmrc
 *     variables   where its caches lie: each run has its own, so that everything is fetched
 *     install     arguments that install what package.json names
 *     execute     arguments that run the command of a package
 *     script      how a script is run; by default with Node
 *     installed   where the packages are afterwards; by default in node_modules
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const script = (path) => (tools) => [process.execPath, join(tools, "node_modules", path)];

const npm = (version) => ({
  package: `npm@${version}`,
  command: script("npm/bin/npm-cli.js"),
  variables: (cache) => ({ npm_config_cache: cache, npm_config_audit: "false", npm_config_fund: "false" }),
  install: ["install"],
  execute: ["exec", "--offline", "--"],
});

/** Bun's npm package fetches its program in a script; the programs themselves are packages too, one for each kind of processor. */
function bun(tools) {
  const folder = join(tools, "node_modules", "@oven");
  const programs = readdirSync(folder).map((name) => join(folder, name, "bin", process.platform === "win32" ? "bun.exe" : "bun"));
  // The one without `-baseline` needs AVX2.
  return [programs.filter(existsSync).sort((a, b) => b.includes("-baseline") - a.includes("-baseline"))[0]];
}

const berry = (linker) => ({
  package: "@yarnpkg/cli-dist@4",
  command: script("@yarnpkg/cli-dist/bin/yarn.js"),
  files: (registry, cache) => ({
    // A lock file says that the folder is a project of its own.
    "yarn.lock": "",
    ".yarnrc.yml": [
      `nodeLinker: ${linker}`,
      "enableImmutableInstalls: false",
      "enableScripts: false",
      "enableTelemetry: false",
      "npmMinimalAgeGate: 0",
      `globalFolder: ${JSON.stringify(cache)}`,
      ...(registry ? [`npmRegistryServer: ${registry}`, "unsafeHttpWhitelist: [127.0.0.1]"] : []),
      "",
    ].join("\n"),
  }),
  install: ["install"],
  execute: ["run"],
});

export const managers = {
  "npm@10": npm(10),
  "npm@11": npm(11),
  // It runs no scripts of packages.
  "npm@12": { ...npm(12), node: 22 },
  pnpm: {
    package: "pnpm@12",
    command: script("pnpm/bin/pnpm.mjs"),
    files: (registry, cache) => ({
      "pnpm-workspace.yaml": [
        `storeDir: ${JSON.stringify(join(cache, "store"))}`,
        `cacheDir: ${JSON.stringify(join(cache, "metadata"))}`,
        "minimumReleaseAge: 0",
        ...(registry ? [`registries:\n  default: ${registry}`] : []),
        "",
      ].join("\n"),
    }),
    install: ["install", "--no-frozen-lockfile"],
    execute: ["exec"],
  },
  yarn1: {
    package: "yarn@1",
    command: script("yarn/bin/yarn.js"),
    variables: (cache) => ({ YARN_CACHE_FOLDER: cache }),
    install: ["install", "--ignore-scripts", "--non-interactive"],
    execute: ["run", "--silent"],
  },
  yarn4: berry("node-modules"),
  "yarn4-pnp": {
    ...berry("pnp"),
    script: ["node"],
    installed: (project, cache) => [join(project, ".yarn"), join(cache, "cache")],
  },
  bun: {
    package: "bun@1",
    command: bun,
    variables: (cache) => ({ BUN_INSTALL_CACHE_DIR: cache }),
    install: ["install", "--ignore-scripts"],
    execute: ["x", "--no-install"],
    // Bun is a runtime too.
    script: [],
  },
};
