/** Score heads with one fault each. */

import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeNpz } from "../../src/demo/npz-writer.js";

/** All numbers are finite, but every score overflows. */
export async function overflowingHead(embeddingLength: number): Promise<string> {
  const filled = (length: number, value: number) => new Float32Array(length).fill(value);
  const bytes = encodeNpz({
    W1: { shape: [embeddingLength, embeddingLength], values: filled(embeddingLength ** 2, 0) },
    b1: { shape: [embeddingLength], values: filled(embeddingLength, 3e38) },
    W2: { shape: [embeddingLength, 1], values: filled(embeddingLength, 3e38) },
    b2: { shape: [1], values: filled(1, 0) },
    logit_bias: { shape: [1], values: filled(1, 2.65) },
  });
  const path = join(await mkdtemp(join(tmpdir(), "jina-reranker-head-")), "mlp_weights.npz");
  await writeFile(path, bytes);
  return path;
}
