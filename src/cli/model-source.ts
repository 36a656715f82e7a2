/** Which model a command was asked for, and loading it. The demo model is never taken unless it was asked for. */

import { basename } from "node:path";
import { cachedDemoModel } from "../demo/cached-model.js";
import { Reranker } from "../reranker.js";
import type { ModelSettings } from "./flags.js";

export type ModelSource = { readonly kind: "demo" } | { readonly kind: "file"; readonly path: string };

export const demoNotice =
  "the demo model is lexical and not trained: it counts query words in documents, for trying things out only";

/** Throws when neither a model nor the demo was asked for. */
export function modelSource({ demo, modelPath }: ModelSettings): ModelSource {
  if (modelPath !== undefined) return { kind: "file", path: modelPath };
  if (demo) return { kind: "demo" };
  throw new Error(
    [
      "no model was given. Ways on:",
      "  --model PATH, or the variable MODEL_PATH    a GGUF of jina-reranker-m0, with mlp_weights.npz beside it (or --head PATH)",
      "  --demo, or DEMO=true                        the built-in demo model, which counts words and is not trained",
    ].join("\n"),
  );
}

/** The `model` of answers. */
export function modelName(source: ModelSource): string {
  return source.kind === "demo" ? "lexical-demo" : basename(source.path).replace(/\.gguf$/i, "");
}

export async function loadModel(
  source: ModelSource,
  settings: ModelSettings & { readonly maxDocuments?: number },
  onProgress: (fraction: number) => void,
): Promise<Reranker> {
  const { headPath, contextSize, gpuLayers, threads, batchTokens, reproducible, maxQueuedPairs, maxDocuments, documentCacheMb } =
    settings;
  const options = {
    ...{ contextSize, gpuLayers, threads, batchTokens, reproducible, maxQueuedPairs, documentCacheMb, onProgress },
    ...(maxDocuments !== undefined && { maxDocuments }),
  };
  if (source.kind === "demo") return Reranker.load({ ...options, ...(await cachedDemoModel()) });
  return Reranker.load({ ...options, modelPath: source.path, ...(headPath !== undefined && { headPath }) });
}
