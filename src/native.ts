/**
 * Finds and loads the addon, and lets it load the backends beside it. The addon's exports are typed by binding.d.ts.
 */

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type * as binding from "../binding.js";

const require = createRequire(import.meta.url);
const packageDirectory = join(dirname(fileURLToPath(import.meta.url)), "..");

type Binding = typeof binding;

interface NodeGypBuild {
  (directory: string): Binding;
  path(directory: string): string;
}

function load(): Binding {
  const nodeGypBuild = require("node-gyp-build") as NodeGypBuild;
  let path: string;
  try {
    path = nodeGypBuild.path(packageDirectory);
  } catch (error) {
    throw new Error(
      `The native addon of jina-reranker was not found for ${process.platform}-${process.arch}, Node ${process.versions.node}. ` +
        `Looked in ${join(packageDirectory, "build/Release")} and ${join(packageDirectory, "prebuilds")}. ` +
        "Build it with: npm run build:native (needs CMake 3.20 or newer and a C++17 compiler).",
      { cause: error },
    );
  }
  const addon = require(path) as Binding;
  addon.loadBackends(dirname(path));
  return addon;
}

export const native: Binding = load();

export const { Engine, backends, inspect, loadBackends, quantize, setLogSink, version } = native;
