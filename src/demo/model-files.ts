/** Writes a model to disk: a GGUF and `mlp_weights.npz` beside it, each complete or absent. */

import { join } from "node:path";
import { produceAtomically, writeAtomically } from "../files/write-atomically.js";
import type { MetadataValue } from "../gguf/header.js";
import { type Tensor, writeGguf } from "../gguf/writer.js";

export interface ModelFiles {
  modelPath: string;
  headPath: string;
}

export interface ModelContents {
  metadata: ReadonlyMap<string, MetadataValue>;
  tensors: readonly Tensor[];
  /** The score head, encoded as .npz. */
  head: Uint8Array;
}

/**
 * Writes `<name>.gguf` and `mlp_weights.npz` into the folder and creates it if needed. The GGUF appears last, so whoever sees it
 * finds its head. If the GGUF cannot be written, no head is written either.
 */
export async function writeModelFiles(directory: string, name: string, contents: ModelContents): Promise<ModelFiles> {
  const modelPath = join(directory, `${name}.gguf`);
  const headPath = join(directory, "mlp_weights.npz");
  await produceAtomically(modelPath, async (unfinished) => {
    await writeGguf(unfinished, contents.metadata, contents.tensors);
    await writeAtomically(headPath, contents.head);
  });
  return { modelPath, headPath };
}
