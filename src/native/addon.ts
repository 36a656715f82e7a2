/**
 * Finds and loads the addon with the CPU backend: in the folder that JINA_RERANKER_NATIVE names, else in a build inside this
 * package, else in the platform's package. GPU backends are loaded by backends.ts, when they are wanted.
 */

import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import type * as binding from "../../binding.js";
import { RerankError } from "../errors.js";
import { type Finding, installCommand, missingAddon, renewCommand } from "./advice.js";
import { damageOf, installedPackage, type LibraryFolder, librariesOf, ownVersion, packageDirectory } from "./library-folder.js";
import { addonPackage, isCpuLibrary, isGpuLibrary, target } from "./platform.js";

const require = createRequire(import.meta.url);

export type Binding = typeof binding;

export interface Addon {
  readonly binding: Binding;
  readonly folder: LibraryFolder;
  /** The variants of the CPU backend that could not be used. */
  readonly findings: readonly Finding[];
}

type Outcome = { readonly addon: Addon } | { readonly findings: readonly Finding[] };

let outcome: Outcome | undefined;

/** Loads at the first call. Throws backend_unavailable with everything that was tried and the commands to type. */
export function loadAddon(): Addon {
  const found = findAddon();
  if ("addon" in found) return found.addon;
  const lines = found.findings.map(({ what, reason, fix }) => `  ${what}: ${reason}\n    fix: ${fix}`);
  throw new RerankError(
    "backend_unavailable",
    `The native part of jina-reranker cannot be loaded on ${target}, Node ${process.versions.node}:\n${lines.join("\n")}`,
  );
}

export function findAddon(): Outcome {
  outcome ??= search();
  return outcome;
}

function search(): Outcome {
  const findings: Finding[] = [];
  const explicit = process.env.JINA_RERANKER_NATIVE;
  if (explicit) {
    const directory = resolve(explicit);
    const file = existsSync(directory) ? readdirSync(directory).find((name) => name.endsWith(".node")) : undefined;
    const fix = "set JINA_RERANKER_NATIVE to a folder with the addon and its libraries, or unset it";
    if (file === undefined) return { findings: [{ what: directory, reason: "JINA_RERANKER_NATIVE: no .node file there", fix }] };
    return open({ directory }, join(directory, file), findings) ?? { findings };
  }

  const built = addonIn(packageDirectory);
  const ownBuild = built === undefined ? undefined : open({ directory: dirname(built) }, built, findings);
  if (ownBuild) return ownBuild;

  const installed = installedPackage(addonPackage);
  if (!installed) {
    return { findings: [...findings, missingAddon(target, (name) => installedPackage(name) !== undefined)] };
  }
  const { manifest } = installed;
  if (manifest.version !== ownVersion) {
    findings.push({
      what: addonPackage,
      reason: `is ${manifest.version}, this is ${ownVersion}`,
      fix: installCommand(addonPackage),
    });
    return { findings };
  }
  const file = librariesOf(installed).find((name) => name.endsWith(".node"));
  if (file === undefined) {
    findings.push({ what: addonPackage, reason: "its package.json names no addon", fix: renewCommand(installed) });
    return { findings };
  }
  return open(installed, join(installed.directory, file), findings) ?? { findings };
}

/** Path of the addon that was built inside this package; undefined = none was. */
function addonIn(directory: string): string | undefined {
  const nodeGypBuild: { path(directory: string): string } = require("node-gyp-build");
  try {
    return nodeGypBuild.path(directory);
  } catch {
    return undefined;
  }
}

function open(folder: LibraryFolder, path: string, findings: Finding[]): Outcome | undefined {
  const libraries = librariesOf(folder).filter((file) => !isGpuLibrary(file));
  const usable: string[] = [];
  let whole = true;
  for (const file of libraries) {
    const reason = damageOf(folder, file);
    if (reason === undefined) {
      usable.push(file);
      continue;
    }
    findings.push({ what: join(folder.directory, file), reason, fix: renewCommand(folder) });
    // Only a damaged variant of the CPU backend can be left out: another one takes its place.
    if (!isCpuLibrary(file)) whole = false;
  }
  if (!whole) return undefined;
  const cpu = usable.filter(isCpuLibrary).map((file) => join(folder.directory, file));
  if (cpu.length === 0) {
    findings.push({ what: folder.directory, reason: "has no usable CPU backend", fix: renewCommand(folder) });
    return undefined;
  }
  try {
    const loaded: Binding = require(path);
    loaded.loadBackend(cpu);
    const refused = loaded.backends().failures.filter((failure) => cpu.includes(failure.path));
    findings.push(...refused.map((failure) => ({ what: failure.path, reason: failure.reason, fix: renewCommand(folder) })));
    return { addon: { binding: loaded, folder, findings } };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    findings.push({ what: path, reason, fix: renewCommand(folder) });
    return undefined;
  }
}
