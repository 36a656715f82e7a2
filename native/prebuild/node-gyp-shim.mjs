#!/usr/bin/env node
/**
 * prebuildify starts this instead of node-gyp (PREBUILD_NODE_GYP). It builds a target of targets.json with cmake-js and leaves
 * the libraries where node-gyp would: in build/Release of the working directory. JINA_RERANKER_TARGET names the target. The
 * arguments for node-gyp are ignored.
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { buildNative } from "../build.mjs";
import { buildOf, targetNamed } from "./targets.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
const output = resolve("build", "Release");

try {
  const target = targetNamed(process.env.JINA_RERANKER_TARGET ?? "");
  const libraries = await buildNative({
    directory: join(root, "build", target.name),
    definitions: buildOf(target).definitions,
  });
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  for (const file of readdirSync(libraries)) {
    if (/\.(node|so|dll|dylib)$/.test(file)) copyFileSync(join(libraries, file), join(output, file));
  }
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
