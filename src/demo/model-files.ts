/** A model on disk: a GGUF and `mlp_weights.npz` beside it, each whole or not there at all. */

import { randomUUID } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type MetadataValue, type Tensor, writeGguf } from "./gguf-writer.js";

export interface ModelFiles {
  modelPath: string;
  headPath: string;
}

export interface ModelContents {
  metadata: ReadonlyMap<string, MetadataValue>;
  tensors: readonly Tensor[];
  /** The score head as an .npz. */
  head: Uint8Array;
}

/**
 * Writes `<name>.gguf` and `mlp_weights.npz` under temporary names in the same folder, which is made if need be, and
 * renames them at the end, the GGUF last: who sees it finds its head. A failure leaves nothing behind.
 */
export async function writeModelFiles(directory: string, name: string, contents: ModelContents): Promise<ModelFiles> {
  await mkdir(directory, { recursive: true });
  const modelPath = join(directory, `${name}.gguf`);
  const headPath = join(directory, "mlp_weights.npz");
  const unfinished = `.${randomUUID()}.partial`;
  try {
    await writeFile(headPath + unfinished, contents.head);
    await writeGguf(modelPath + unfinished, contents.metadata, contents.tensors);
    await rename(headPath + unfinished, headPath);
    await rename(modelPath + unfinished, modelPath);
  } catch (error) {
    await rm(headPath + unfinished, { force: true });
    await rm(modelPath + unfinished, { force: true });
    throw error;
  }
  return { modelPath, headPath };
}
