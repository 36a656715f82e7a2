/**
 * What scoring and keeping documents have in common: the request counts as waiting from its admission on, its images take room among
 * the bodies, and it ends with its client or its time.
 */

import type { FastifyReply, FastifyRequest } from "fastify";
import { RerankError } from "../errors.js";
import { together } from "./admission.js";
import type { ServerContext } from "./context.js";
import { requestSignal } from "./disconnect.js";
import { bytesPerImageToken } from "./image-tokens.js";
import { notesOf, type Work } from "./observe/notes.js";
import type { Contents } from "./request-work.js";

/** `handOver` is to be called in the turn of JavaScript in which the pairs of a request are submitted. */
type Run<Result> = (signal: AbortSignal, handOver: (index: number) => void) => Promise<Result>;

/** What `run` gives, for a request that was checked. Throws queue_full or overloaded before it runs; where it fails, its work is dropped. */
export async function admitted<Result>(
  request: FastifyRequest,
  reply: FastifyReply,
  { admission, health, options }: ServerContext,
  { work, contents }: { readonly work: Work; readonly contents: readonly Contents[] },
  run: Run<Result>,
): Promise<Result> {
  const notes = notesOf(request);
  const { reranker } = work;
  const claims = admission.claims(reranker, contents);
  const claim = together(claims);
  notes.work = { ...work, claim };
  using place = admission.admit(reranker, ...claims);
  if (notes.memory?.growBy(claim.imageTokens * bytesPerImageToken) === false) {
    throw new RerankError("overloaded", "the images of other requests leave no room for these now; try again");
  }
  using ended = requestSignal(reply.raw, options.requestTimeoutMs);
  const handOver = (index: number) => {
    health.starting(reranker.stats());
    place.handOver(claims[index] ?? claim);
    queueMicrotask(() => admission.observe(reranker));
  };
  try {
    return await run(ended.signal, handOver);
  } catch (error) {
    health.failed(error);
    ended.cancel(error);
    throw error;
  }
}
