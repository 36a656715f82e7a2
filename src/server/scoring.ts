/**
 * The one path from a route to the reranker: every scoring route comes through here, so what holds for one holds for all.
 * A request may carry several queries, each with documents of its own; all of them are scored or none.
 */

import type { FastifyReply, FastifyRequest } from "fastify";
import { defaultMaxDocuments, documentLimit } from "../engine/limits.js";
import { RerankError } from "../errors.js";
import type { Content, RerankResponse, Timings } from "../types.js";
import type { ScoringRequest } from "../wire/dialect.js";
import { smallestClaim } from "./admission.js";
import { admitted } from "./admitted.js";
import type { ServerContext } from "./context.js";
import { notesOf } from "./observe/notes.js";
import { serverTiming } from "./observe/server-timing.js";
import { refuseUnderPressure } from "./pressure.js";

/** `onRequest` of a scoring route: refuses before the body is read. A request that passed is answered also while the server drains. */
export function scoringGate({ options, admission, lifecycle }: ServerContext): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    refuseUnderPressure(request, options, { requests: admission.requests, readyMs: lifecycle.readyMs });
    const reranker = lifecycle.reranker();
    notesOf(request).work = { reranker };
    admission.requireRoom(reranker, smallestClaim);
  };
}

/** Items and fields that are read of each document that is allowed, on the average, and of a body however few are: in half a second. */
const valuesOfADocument = 100;
const valuesOfABody = 100_000;

/** Items and fields that a body may have, so that millions of documents are refused before each of them is read. */
export function mostValues({ lifecycle: { loaded } }: ServerContext): number {
  return Math.max(valuesOfABody, loaded ? valuesOfADocument * documentLimit(loaded.limits, defaultMaxDocuments.others) : 0);
}

/** An error of one of the requests, in the words of the client, who may have sent all of them in one list. */
type InTheirWords = (error: unknown, request: number) => unknown;

/**
 * The answers, in the order of the requests. Sets `Server-Timing`, and notes for log, metrics and traces what was done. When
 * one of the requests fails, all fail, and the rest of their work is dropped.
 */
export async function runScoring(
  request: FastifyRequest,
  reply: FastifyReply,
  context: ServerContext,
  requests: readonly ScoringRequest[],
  inTheirWords: InTheirWords = (error) => error,
): Promise<RerankResponse<Content>[]> {
  const { admission, health, metrics, options } = context;
  const notes = notesOf(request);
  const reranker = notes.work?.reranker ?? context.lifecycle.reranker();
  const documents = requests.reduce((sum, one) => sum + one.documents.length, 0);
  const isImage = (content: Content) => typeof content !== "string";
  const images = {
    queries: requests.filter(({ query }) => isImage(query)).length,
    documents: requests.reduce((sum, one) => sum + one.documents.filter(isImage).length, 0),
  };
  const allImages = images.queries + images.documents;
  const work = { reranker, documents, ...(allImages > 0 && { images: allImages }) };
  notes.work = work;
  for (const [index, one] of requests.entries()) {
    try {
      reranker.check(one);
    } catch (error) {
      throw inTheirWords(error, index);
    }
  }
  const most = documentLimit(reranker.limits, requests[0]?.maxDocuments);
  if (documents > most) {
    const message = `documents: at most ${most} are allowed in one request, got ${documents}`;
    throw new RerankError("too_many_documents", message);
  }
  if (allImages > reranker.limits.maxImages) {
    const message = `documents: at most ${reranker.limits.maxImages} images are allowed in one request, got ${allImages}`;
    throw new RerankError("too_many_images", message);
  }
  const asked = { model: options.modelName, candidates: documents, topN: requests[0]?.topN || undefined };
  return admitted(request, reply, context, { work, contents: requests }, async (signal, handOver) => {
    const startedAt = performance.now();
    const run = async (one: ScoringRequest, index: number) => {
      try {
        return await reranker.rerank({ ...one, signal, onQueue: () => handOver(index) });
      } catch (error) {
        throw inTheirWords(error, index);
      }
    };
    try {
      const responses = await Promise.all(requests.map(run));
      const timings = sideBySide(responses.map((response) => response.timings));
      // Scores from the cache show nothing about the engine.
      if (timings.computedTokens > 0) health.succeeded();
      const tokens = responses.reduce((sum, { usage }) => sum + usage.totalTokens, 0);
      for (const [index, { truncated, unscored, usage }] of responses.entries()) {
        const scored = requests[index];
        if (scored && truncated === 0 && unscored.length === 0) admission.learn(scored, usage.totalTokens);
      }
      notes.work = { ...work, tokens, timings };
      metrics.scored(
        timings,
        responses.reduce((sum, { truncated }) => sum + truncated, 0),
      );
      if (allImages > 0) metrics.imagesScored(images, timings);
      const usage = { inputTokens: tokens, cachedTokens: timings.reusedTokens };
      metrics.reranked((performance.now() - startedAt) / 1000, usage);
      notes.span?.scored(startedAt, asked, { ...usage, images: allImages }, timings);
      reply.header("server-timing", serverTiming(timings));
      return responses;
    } catch (error) {
      const errorType = error instanceof RerankError ? error.code : "_OTHER";
      metrics.reranked((performance.now() - startedAt) / 1000, { errorType });
      notes.span?.failed(startedAt, asked, errorType);
      throw error;
    }
  });
}

/** Requests of one body run side by side: times are those of the longest, tokens are the sum. */
function sideBySide(all: readonly Timings[]): Timings {
  const longest = (name: keyof Timings) => Math.max(...all.map((timings) => timings[name]));
  const sum = (name: keyof Timings) => all.reduce((total, timings) => total + timings[name], 0);
  return {
    imageMs: longest("imageMs"),
    queueMs: longest("queueMs"),
    tokenizeMs: longest("tokenizeMs"),
    computeMs: longest("computeMs"),
    totalMs: longest("totalMs"),
    computedTokens: sum("computedTokens"),
    reusedTokens: sum("reusedTokens"),
    encodedImages: sum("encodedImages"),
  };
}
