/** The demo model in the cache folder, written on first use and again when its generator changed. */

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheDirectory, cachedDirectory } from "../model/cache.js";
import { writeLexicalModel } from "./lexical-model.js";

/** Takes a few seconds the first time. */
export async function cachedDemoModel(root = cacheDirectory()): Promise<{ modelPath: string; headPath: string }> {
  const directory = await cachedDirectory(root, `demo-${await generatorHash()}`, writeLexicalModel);
  return { modelPath: join(directory, "lexical-demo.gguf"), headPath: join(directory, "mlp_weights.npz") };
}

/** Of the generator's own code, so that a changed generator is never answered with an older model. */
export async function generatorHash(): Promise<string> {
  const hash = createHash("sha256");
  for (const name of (await readdir(import.meta.dirname)).sort()) {
    if (/\.[jt]s$/.test(name) && !name.endsWith(".d.ts")) hash.update(await readFile(join(import.meta.dirname, name)));
  }
  return hash.digest("hex").slice(0, 12);
}
