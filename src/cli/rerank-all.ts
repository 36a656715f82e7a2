/** Reranks any number of documents in slices, so that MAX_DOCUMENTS does not limit them and progress can be shown. */

import { rank } from "../engine/ranking.js";
import { RerankError } from "../errors.js";
import { passageLimits } from "../passages/options.js";
import type { Reranker } from "../reranker.js";
import type { Content, Passage, RerankResponse, ScoreRequest } from "../types.js";
import type { RerankJob } from "../wire/native.js";
import { requested } from "../wire/ranking-options.js";

/** Documents of a slice. An image takes about as long as these many texts: progress is shown after each slice. */
const sliceLength = 32;
const textsOfAnImage = 8;
/** For each engine: one slice is tokenized while another is computed. */
const slicesAtOnce = 2;

/** UTF-16 units in a token, for how many passages a text may have. */
const unitsPerToken = 4;

export async function rerankAll(
  reranker: Reranker,
  { query, documents, options }: Pick<RerankJob, "query" | "documents" | "options">,
  onProgress: (done: number) => void,
): Promise<Omit<RerankResponse<Content>, "timings">> {
  if (documents.length === 0) throw new RerankError("empty_documents", "documents: expected at least one, got none");
  const { timeoutMs, ...scoring } = options.scoring;
  const end = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  const scores = new Float32Array(documents.length).fill(Number.NaN);
  const logits = new Float32Array(documents.length);
  const droppedTokens = new Uint32Array(documents.length);
  const passages: (Passage | undefined)[] = [];
  let tokens = 0;
  let done = 0;
  const waiting = slices(documents, scoring);
  const work = async () => {
    for (const [start, next] of waiting) {
      const left = Math.ceil(end - performance.now());
      if (left < 1) return;
      const slice = { query, documents: documents.slice(start, next), ...scoring, ...(timeoutMs && { timeoutMs: left }) };
      const part = await reranker.score(slice).catch((error: unknown) => {
        throw inTheWhole(error, start);
      });
      scores.set(part.scores, start);
      logits.set(part.logits, start);
      droppedTokens.set(part.droppedTokens, start);
      for (const [index, passage] of (part.passages ?? []).entries()) passages[start + index] = passage;
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
    ...(passages[index] && { passage: passages[index] }),
  }));
  const truncated = droppedTokens.filter((dropped) => dropped > 0).length;
  // Only a time limit leaves a document without a score.
  const unscored = [...documents.keys()].filter((index) => Number.isNaN(scores[index]));
  return { results, unscored, truncated, usage: { promptTokens: tokens, totalTokens: tokens } };
}

/** Where each slice begins and ends. Workers take them in turn. */
function* slices(
  documents: readonly Content[],
  { passages }: Pick<ScoreRequest, "passages">,
): Generator<readonly [number, number]> {
  const limits = passages && passageLimits(passages);
  const sizeOf = (text: string) =>
    limits ? Math.min(limits.max, 1 + Math.floor(text.length / unitsPerToken / limits.maxTokens)) : 1;
  let start = 0;
  let size = 0;
  for (const [index, document] of documents.entries()) {
    const next = typeof document === "string" ? sizeOf(document) : textsOfAnImage;
    if (size > 0 && size + next > sliceLength) {
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
