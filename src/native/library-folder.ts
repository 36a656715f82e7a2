/**
 * A folder of libraries that were built together. Each is compared with its checksum in the package's manifest before it is
 * opened: opening a damaged library can crash the process, which no code can catch.
 */

import { createHash } from "node:crypto";
import { closeSync, createReadStream, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { pathInside } from "../files/path-inside.js";
import { isLibrary, platform } from "./platform.js";

const require = createRequire(import.meta.url);

export const packageDirectory = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

export interface Manifest {
  readonly name: string;
  readonly version: string;
  /** File name -> sha256 in hexadecimal. Empty in the manifest of a package without libraries. */
  readonly libraries: Readonly<Record<string, string>>;
}

export interface LibraryFolder {
  readonly directory: string;
  /** The manifest of the package it came in; undefined = it was built on this machine. */
  readonly manifest?: Manifest;
}

export function readManifest(path: string): Manifest {
  const value: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (typeof value !== "object" || value === null) throw new Error(`${path}: expected an object`);
  const name = "name" in value ? value.name : undefined;
  const version = "version" in value ? value.version : undefined;
  if (typeof name !== "string" || typeof version !== "string") throw new Error(`${path}: expected a name and a version`);
  const noted = "libraries" in value ? value.libraries : undefined;
  const libraries: Record<string, string> = {};
  if (typeof noted === "object" && noted !== null) {
    for (const [file, checksum] of Object.entries(noted)) if (typeof checksum === "string") libraries[file] = checksum;
  }
  return { name, version, libraries };
}

/** This package's version. Packages of libraries must have the same one. */
export const ownVersion = readManifest(join(packageDirectory, "package.json")).version;

/** An installed package of libraries; undefined = it is not installed. */
export function installedPackage(name: string): { directory: string; manifest: Manifest } | undefined {
  let path: string;
  try {
    path = require.resolve(`${name}/package.json`);
  } catch {
    return undefined;
  }
  return { directory: join(dirname(path), "prebuilds", platform), manifest: readManifest(path) };
}

/** The libraries that belong in the folder: those in the package's manifest, or for a build those that are there. */
export function librariesOf({ directory, manifest }: LibraryFolder): string[] {
  if (manifest) return Object.keys(manifest.libraries);
  return existsSync(directory) ? readdirSync(directory).filter(isLibrary) : [];
}

/** Why a library must not be opened; undefined = it may be. Blocks while it reads the file: for libraries of a few megabytes. */
export function damageOf(folder: LibraryFolder, file: string): string | undefined {
  const looked = look(folder, file);
  if (!("path" in looked)) return looked.damage;
  return difference(looked, createHash("sha256").update(readFileSync(looked.path)).digest("hex"));
}

/** The same without blocking, for a GPU's library of hundreds of megabytes: a server answers meanwhile. */
export async function damageOfLarge(folder: LibraryFolder, file: string): Promise<string | undefined> {
  const looked = look(folder, file);
  if (!("path" in looked)) return looked.damage;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(looked.path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return difference(looked, hash.digest("hex"));
}

interface Noted {
  readonly path: string;
  /** sha256 */
  readonly expected: string;
}

/** Checks what needs no checksum. Returns the final result, or the checksum that the file must have. */
function look({ directory, manifest }: LibraryFolder, file: string): { readonly damage: string | undefined } | Noted {
  // A manifest comes from another package, so its names must not lead out of that package's folder.
  const path = isLibrary(file) && basename(file) === file ? pathInside(directory, file) : undefined;
  if (path === undefined) return { damage: "its package.json names a file that is no library in the package's folder" };
  if (!existsSync(path)) return { damage: "the file is missing" };
  const expected = manifest?.libraries[file];
  if (expected === undefined) return { damage: isCutElf(path) ? "the file is cut short" : undefined };
  return { path, expected };
}

function difference({ expected }: Noted, actual: string): string | undefined {
  return actual === expected ? undefined : `the file is damaged: its sha256 is ${actual}, ${expected} was packed`;
}

/**
 * Whether a 64-bit ELF file is truncated: it ends with its section headers, whose place and size are in the first 64 bytes. The
 * system's loader does not check this and would crash.
 */
function isCutElf(path: string): boolean {
  const head = Buffer.alloc(64);
  const descriptor = openSync(path, "r");
  try {
    const read = readSync(descriptor, head, 0, head.length, 0);
    if (head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2) return false;
    if (read < head.length) return true;
  } finally {
    closeSync(descriptor);
  }
  const sections = Number(head.readBigUInt64LE(40));
  const length = head.readUInt16LE(58) * head.readUInt16LE(60);
  return statSync(path).size < sections + length;
}
