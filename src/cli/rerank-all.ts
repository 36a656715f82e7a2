/** Reranks any number of documents in slices, so that MAX_DOCUMENTS does not limit them and progress can be shown. */

import { rank } from "../engine/ranking.js";
import { RerankError } from "../errors.js";
import type { Reranker } from "../reranker.js";
import type { RerankResponse } from "../types.js";
import type { RerankJob } from "../wire/native.js";
import { requested } from "../wire/ranking-options.js";

const sliceLength = 32;
/** For each engine: one slice is tokenized while another is computed. */
const slicesAtOnce = 2;

/** The most pairs that one call has in the queue. */
export function pairsAtOnce(engines: number): number {
  return sliceLength * slicesAtOnce * engines;
}

export async function rerankAll(
  reranker: Reranker,
  { query, documents, options }: Pick<RerankJob, "query" | "documents" | "options">,
  onProgress: (done: number) => void,
): Promise<Omit<RerankResponse, "timings">> {
  if (documents.length === 0) throw new RerankError("empty_documents", "documents: expected at least one, got none");
  const scores = new Float32Array(documents.length);
  const logits = new Float32Array(documents.length);
  const droppedTokens = new Uint32Array(documents.length);
  let tokens = 0;
  let next = 0;
  let done = 0;
  const work = async () => {
    while (next < documents.length) {
      const start = next;
      next += sliceLength;
      const slice = { query, documents: documents.slice(start, start + sliceLength), ...options.scoring };
      const part = await reranker.score(slice).catch((error: unknown) => {
        throw inTheWhole(error, start);
      });
      scores.set(part.scores, start);
      logits.set(part.logits, start);
      droppedTokens.set(part.droppedTokens, start);
      tokens += part.usage.totalTokens;
      done += part.scores.length;
      onProgress(done);
    }
  };
  await Promise.all(Array.from({ length: slicesAtOnce * reranker.devices.length }, work));
  const results = rank(scores, requested(options).topK).map((index) => ({
    index,
    score: scores[index] ?? Number.NaN,
    logit: logits[index] ?? Number.NaN,
    document: documents[index] ?? "",
    droppedTokens: droppedTokens[index] ?? 0,
  }));
  const truncated = droppedTokens.filter((dropped) => dropped > 0).length;
  return { results, truncated, usage: { promptTokens: tokens, totalTokens: tokens } };
}

/** The reranker numbers the documents of a slice; the message names the document's number in the whole list. */
function inTheWhole(error: unknown, start: number): unknown {
  if (!(error instanceof RerankError)) return error;
  const message = error.message.replace(/^documents\[(\d+)\]/, (_, index: string) => `documents[${start + Number(index)}]`);
  return new RerankError(error.code, message, { cause: error });
}
