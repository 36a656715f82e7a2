/** The demo model in the cache folder. It is written at first use, and again when its generator changed or a file is damaged. */

import { createHash } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { cacheDirectory, cachedDirectory } from "../files/cache-folder.js";
import { withLock } from "../files/lock.js";
import { findRecorded, recordFile } from "../model/recorded-file.js";
import { writeLexicalModel } from "./lexical-model.js";
import type { ModelFiles } from "./model-files.js";

/** Takes a few seconds the first time. */
export async function cachedDemoModel(root = cacheDirectory()): Promise<ModelFiles> {
  const name = `demo-${await generatorHash()}`;
  const directory = join(root, name);
  const files = { modelPath: join(directory, "lexical-demo.gguf"), headPath: join(directory, "mlp_weights.npz") };
  await cachedDirectory(root, name, writeRecorded);
  if (await areWhole(files)) return files;
  await withLock(`${directory}.lock`, { onWaiting: () => {} }, async () => {
    if (await areWhole(files)) return;
    await rm(directory, { recursive: true, force: true });
    await cachedDirectory(root, name, writeRecorded);
  });
  return files;
}

/** A hash of the generator's own code. It is part of the folder's name, so a changed generator never finds an older model. */
export async function generatorHash(): Promise<string> {
  const hash = createHash("sha256");
  for (const folder of [import.meta.dirname, join(import.meta.dirname, "..", "gguf")]) {
    for (const name of (await readdir(folder)).sort()) {
      if (/\.[jt]s$/.test(name) && !name.endsWith(".d.ts")) hash.update(await readFile(join(folder, name)));
    }
  }
  return hash.digest("hex").slice(0, 12);
}

async function writeRecorded(directory: string): Promise<void> {
  const { modelPath, headPath } = await writeLexicalModel(directory);
  for (const path of [modelPath, headPath]) await recordFile(path);
}

async function areWhole({ modelPath, headPath }: ModelFiles): Promise<boolean> {
  const found = [await findRecorded(modelPath), await findRecorded(headPath)];
  return found.every(({ state }) => state === "whole");
}
