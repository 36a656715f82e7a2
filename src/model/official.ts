/** The published files, their checksums and the model's shape. They hold for every mirror that serves the official repository. */

import type { WeightsInfo } from "../../binding.js";
import { RerankError } from "../errors.js";
import type { Checksum } from "./checksum.js";

export const officialRepository = "jinaai/jina-reranker-m0-GGUF";
/** Has the weights as safetensors files, of which the vision tower is published nowhere else. */
export const officialVisionRepository = "jinaai/jina-reranker-m0";

interface PinnedFile {
  readonly size: number;
  readonly sha256: string;
}

/** From revision 61490ce6a4799192781ab7beab4ee4661675488c. */
const pinnedFiles: ReadonlyMap<string, PinnedFile> = new Map([
  [
    "jina-reranker-m0-Q4_K_M.gguf",
    { size: 986_046_656, sha256: "30c680bcc5ff0b89d0b3470a1fa44cd510b99f972a9e1bda61075277ff50e3c0" },
  ],
  [
    "jina-reranker-m0-Q5_K_M.gguf",
    { size: 1_125_048_512, sha256: "7a2091585b6722374e6482377a225a83dbfecfb50d4aa2e812ef9f7820f3d770" },
  ],
  [
    "jina-reranker-m0-Q6_K.gguf",
    { size: 1_272_737_984, sha256: "115f0be6a38939fc7a960d088588c2d28ad1db26da1a89a0e465c932d8ace6d5" },
  ],
  [
    "jina-reranker-m0-Q8_0.gguf",
    { size: 1_646_571_200, sha256: "8a785993eb0030c4d6e537013e9b41846abb6df90f7c747fbf5bc8e729fe7a03" },
  ],
  ["mlp_weights.npz", { size: 3_613_968, sha256: "b7bea0fbe19940fbd1a98ffb3287bc74aec064646b4f602d287605ead9e36448" }],
]);

/** undefined = this file is not pinned. */
export function pinnedFile(repository: string, path: string): { size: number; checksum: Checksum } | undefined {
  const pinned = isOfficial(repository) ? pinnedFiles.get(path) : undefined;
  return pinned && { size: pinned.size, checksum: { algorithm: "sha256", hex: pinned.sha256 } };
}

/** The hub ignores case in repository names. */
export function isOfficial(repository: string): boolean {
  return repository.toLowerCase() === officialRepository.toLowerCase();
}

export function isOfficialVision(repository: string): boolean {
  return repository.toLowerCase() === officialVisionRepository.toLowerCase();
}

/** One line, shown before a repository's files are fetched. */
export function licenceNotice(repository: string, endpoint: string): string {
  return isOfficial(repository) || isOfficialVision(repository)
    ? "jina-reranker-m0 is licensed CC BY-NC 4.0 (https://creativecommons.org/licenses/by-nc/4.0/): no commercial use without an agreement with Jina AI"
    : `the licence of the model is on its page: ${endpoint}/${repository}`;
}

const figures = { layers: 28, embeddingLength: 1536, vocabularySize: 151_936 } as const;

/** Whether a GGUF has the tensor shapes of jina-reranker-m0, in any quantisation. Only then does the official head fit it. */
export function hasOfficialShape({ layers, embeddingParameters }: Pick<WeightsInfo, "layers" | "embeddingParameters">): boolean {
  return layers === figures.layers && embeddingParameters === figures.embeddingLength * figures.vocabularySize;
}

/** Throws model_invalid when a file of the official repository does not have the published shape. */
export function requireOfficialShape(weights: Pick<WeightsInfo, "layers" | "embeddingParameters">, path: string): void {
  if (hasOfficialShape(weights)) return;
  const { layers, embeddingLength, vocabularySize } = figures;
  const expected = `${layers} layers and ${embeddingLength * vocabularySize} embedding parameters`;
  const got = `${weights.layers} and ${weights.embeddingParameters}`;
  throw new RerankError("model_invalid", `${path}: expected ${expected}, got ${got}; this is not the published model`);
}
