/** Random models and vision towers for tests, in the temporary folder. They are reused until the generator's source changes. */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type RandomMmprojOptions, writeRandomMmproj } from "../../src/demo/random-mmproj.js";
import { type RandomModelOptions, writeRandomModel } from "../../src/demo/random-model.js";
import { native } from "../../src/native/index.js";

export interface ModelFiles {
  modelPath: string;
  headPath: string;
}

export type Shape = Omit<RandomModelOptions, "directory">;
type Precision = "f32" | "f16" | "bf16" | "q8_0" | "q4_k_m" | "q5_k_m";

/** Wide enough for every quantisation, whose blocks have up to 256 values, and small enough to compute in seconds. */
export const wideShape: Shape = {
  layers: 4,
  embeddingLength: 512,
  headLength: 64,
  kvHeads: 2,
  feedForwardLength: 1024,
  vocabularySize: 8000,
  type: "f32",
  seed: 11,
};

const generatorDirectories = ["demo", "gguf"].map((name) => fileURLToPath(new URL(`../../src/${name}`, import.meta.url)));

async function generatorHash(): Promise<string> {
  const hash = createHash("sha256");
  for (const directory of generatorDirectories) {
    for (const name of (await readdir(directory)).sort()) hash.update(await readFile(join(directory, name)));
  }
  return hash.digest("hex");
}

/** The folder of what `write` writes, which depends on nothing but `what` and the generator's source. */
async function generated(what: unknown, write: (directory: string) => Promise<void>): Promise<string> {
  const key = createHash("sha256")
    .update(JSON.stringify([what, await generatorHash()]))
    .digest("hex")
    .slice(0, 16);
  const root = join(tmpdir(), "jina-reranker-test-models");
  const directory = join(root, key);
  if (!existsSync(directory)) {
    await mkdir(root, { recursive: true });
    const work = await mkdtemp(join(root, "work-"));
    await write(work);
    // Another test process may have been first. Its files are the same.
    await rename(work, directory).catch(() => rm(work, { recursive: true, force: true }));
  }
  return directory;
}

/** A model of this shape; `precision` converts its weights. */
export async function randomModel(shape: Shape, precision: Precision = shape.type): Promise<ModelFiles> {
  const directory = await generated([shape, precision], async (work) => {
    const written = await writeRandomModel({ ...shape, directory: work, name: "model" });
    if (precision !== shape.type) {
      const quantized = join(work, "quantized.gguf");
      await native.quantize(written.modelPath, quantized, precision);
      await rename(quantized, written.modelPath);
    }
  });
  const modelFile = (await readdir(directory)).find((name) => name.endsWith(".gguf"));
  if (!modelFile) throw new Error(`no GGUF in ${directory}`);
  return { modelPath: join(directory, modelFile), headPath: join(directory, "mlp_weights.npz") };
}

/** The path of a vision tower of this shape. */
export async function randomMmproj(options: Omit<RandomMmprojOptions, "directory" | "name">): Promise<string> {
  const directory = await generated(["mmproj", options], async (work) => {
    await writeRandomMmproj({ ...options, directory: work });
  });
  return join(directory, "mmproj.gguf");
}
