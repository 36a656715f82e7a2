/** Reranks any number of documents in slices, so that MAX_DOCUMENTS does not limit them and progress can be shown. */

import { rank } from "../engine/ranking.js";
import { RerankError } from "../errors.js";
import type { Reranker } from "../reranker.js";
import type { Content, RerankResponse } from "../types.js";
import type { RerankJob } from "../wire/native.js";
import { requested } from "../wire/ranking-options.js";

/** Documents of a slice. An image takes about as long as these many texts: progress is shown after each slice. */
const sliceLength = 32;
const textsOfAnImage = 8;
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
): Promise<Omit<RerankResponse<Content>, "timings">> {
  if (documents.length === 0) throw new RerankError("empty_documents", "documents: expected at least one, got none");
  const scores = new Float32Array(documents.length);
  const logits = new Float32Array(documents.length);
  const droppedTokens = new Uint32Array(documents.length);
  const unscored: number[] = [];
  let tokens = 0;
  let done = 0;
  const waiting = slices(documents);
  const work = async () => {
    for (const [start, end] of waiting) {
      const slice = { query, documents: documents.slice(start, end), ...options.scoring };
      const part = await reranker.score(slice).catch((error: unknown) => {
        throw inTheWhole(error, start);
      });
      scores.set(part.scores, start);
      logits.set(part.logits, start);
      droppedTokens.set(part.droppedTokens, start);
      unscored.push(...part.unscored.map((index) => start + index));
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
  return {
    results,
    unscored: unscored.sort((left, right) => left - right),
    truncated,
    usage: { promptTokens: tokens, totalTokens: tokens },
  };
}

/** Where each slice begins and ends. Workers take them in turn. */
function* slices(documents: readonly Content[]): Generator<readonly [number, number]> {
  let start = 0;
  let size = 0;
  for (const [index, document] of documents.entries()) {
    const next = typeof document === "string" ? 1 : textsOfAnImage;
    if (size + next > sliceLength) {
      yield [start, index];
      [start, size] = [index, 0];
    }
    size += next;
  }
  yield [start, documents.length];
}

/** The reranker numbers the documents of a slice; the message names the document's number in the whole list. */
function inTheWhole(error: unknown, start: number): unknown {
  if (!(error instanceof RerankError)) return error;
  const message = error.message.replace(/^documents\[(\d+)\]/, (_, index: string) => `documents[${start + Number(index)}]`);
  return new RerankError(error.code, message, { cause: error });
}
