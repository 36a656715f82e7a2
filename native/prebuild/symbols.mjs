/**
 * The versions of system libraries that built libraries ask for, compared with what their target promises: read from the ELF
 * files' own tables, so that it needs no tool and works for every processor.
 *
 *     node native/prebuild/symbols.mjs [--promise TARGET] LIBRARY…
 *         prints what each asks for; with a target it fails when one asks for more than the target promises
 */
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { targetNamed } from "./targets.mjs";

const sectionTypes = { dynamic: 6, versionsNeeded: 0x6ffffffe };
const tagNeeded = 1n;

/**
 * What a 64-bit little-endian ELF file asks for: `libraries` by name, and `versions` such as `GLIBC_2.34`, each once. Throws for
 * anything else.
 *
 * @param {Buffer} bytes
 * @returns {{ libraries: string[], versions: string[] }}
 */
export function neededBy(bytes) {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) {
    throw new Error("no 64-bit little-endian ELF file");
  }
  const [first, size, count] = [Number(bytes.readBigUInt64LE(40)), bytes.readUInt16LE(58), bytes.readUInt16LE(60)];
  const sections = Array.from({ length: count }, (_, index) => {
    const at = first + index * size;
    const [offset, length] = [bytes.readBigUInt64LE(at + 24), bytes.readBigUInt64LE(at + 32)].map(Number);
    return {
      type: bytes.readUInt32LE(at + 4),
      offset,
      length,
      link: bytes.readUInt32LE(at + 40),
      info: bytes.readUInt32LE(at + 44),
    };
  });
  const text = ({ link }, at) => {
    const from = sections[link].offset + at;
    return bytes.toString("utf8", from, bytes.indexOf(0, from));
  };

  const libraries = [];
  for (const section of sections.filter(({ type }) => type === sectionTypes.dynamic)) {
    for (let at = section.offset; at < section.offset + section.length; at += 16) {
      if (bytes.readBigUInt64LE(at) === tagNeeded) libraries.push(text(section, Number(bytes.readBigUInt64LE(at + 8))));
    }
  }
  const versions = new Set();
  for (const section of sections.filter(({ type }) => type === sectionTypes.versionsNeeded)) {
    let file = section.offset;
    for (let index = 0; index < section.info; index++) {
      let version = file + bytes.readUInt32LE(file + 8);
      for (let left = bytes.readUInt16LE(file + 2); left > 0; left--) {
        versions.add(text(section, bytes.readUInt32LE(version + 8)));
        version += bytes.readUInt32LE(version + 12);
      }
      file += bytes.readUInt32LE(file + 12);
    }
  }
  return { libraries, versions: [...versions].sort() };
}

/** Below 0 when `a` is the older version. */
export function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * The newest version of each kind: `["GLIBC_2.2.5", "GLIBC_2.34"]` is `{ GLIBC: "2.34" }`. Names without a number are left out.
 *
 * @param {readonly string[]} versions
 * @returns {Record<string, string>}
 */
export function newest(versions) {
  const found = {};
  for (const version of versions) {
    const [, kind, number] = /^([A-Z]+)_(\d+(?:\.\d+)*)$/.exec(version) ?? [];
    if (kind !== undefined && (found[kind] === undefined || compareVersions(number, found[kind]) > 0)) found[kind] = number;
  }
  return found;
}

/** The kinds that tell a system's age; GCC_3.0 and the like are in every system that has the others. */
const kinds = ["GLIBC", "GLIBCXX", "CXXABI"];

/**
 * Why these libraries may not be published as the target; empty = they may.
 *
 * @param {{ name: string, libc?: string, promises?: Record<string, string> }} target
 * @param {ReadonlyMap<string, readonly string[]>} asked file name -> versions
 * @returns {string[]}
 */
export function brokenPromises({ name, libc, promises = {} }, asked) {
  const broken = [];
  for (const [file, versions] of asked) {
    const needs = newest(versions);
    for (const kind of kinds) {
      const need = needs[kind];
      if (need === undefined) continue;
      if (libc === "musl" && kind === "GLIBC") broken.push(`${file} asks for GLIBC_${need}, ${name} is for musl`);
      const promise = promises[kind];
      if (promise !== undefined && compareVersions(need, promise) > 0) {
        broken.push(`${file} asks for ${kind}_${need}, ${name} promises ${promise}`);
      }
    }
  }
  return broken;
}

/**
 * For a manifest: what a system must have, which is never less than the libraries ask for.
 *
 * @param {ReadonlyMap<string, readonly string[]>} asked
 * @returns {Record<string, string>}
 */
export function requirements(asked) {
  const needs = newest([...asked.values()].flat());
  return Object.fromEntries(kinds.filter((kind) => needs[kind] !== undefined).map((kind) => [kind, needs[kind]]));
}

/** File name -> versions, of the ELF files in a folder. */
export function askedBy(folder, files) {
  return new Map(
    files.filter((file) => /\.(node|so)$/.test(file)).map((file) => [file, neededBy(readFileSync(join(folder, file))).versions]),
  );
}

if (process.argv[1] && process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { promise: { type: "string" } } });
  if (positionals.length === 0) {
    process.stderr.write("Usage: node native/prebuild/symbols.mjs [--promise TARGET] LIBRARY…\n");
    process.exit(2);
  }
  try {
    const asked = new Map(positionals.flatMap((path) => [...askedBy(dirname(path), [basename(path)])]));
    for (const [file, versions] of asked) {
      const needs = Object.entries(newest(versions)).map(([kind, number]) => `${kind}_${number}`);
      process.stdout.write(`${file}  ${needs.join(" ")}\n`);
    }
    const broken = values.promise === undefined ? [] : brokenPromises(targetNamed(values.promise), asked);
    if (broken.length > 0) throw new Error(broken.join("\n"));
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
