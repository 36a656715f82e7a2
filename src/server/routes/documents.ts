/** The route that computes documents before a query comes. */

import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { KeepRequest, KeepResponse } from "../../types.js";
import { KeepAnswer, KeepBody, keepAnswer, readKeep } from "../../wire/keep.js";
import { admitted } from "../admitted.js";
import type { ServerContext } from "../context.js";
import { notesOf } from "../observe/notes.js";
import { serverTiming } from "../observe/server-timing.js";
import { errorResponses } from "../openapi.js";
import { scoringGate } from "../scoring.js";

export function registerDocuments(fastify: FastifyInstance, context: ServerContext): void {
  const app = fastify.withTypeProvider<TypeBoxTypeProvider>();
  app.post(
    "/v1/documents",
    {
      schema: {
        tags: ["scoring"],
        summary: "Computes documents before a query comes",
        description:
          "A query for them then costs its own tokens alone. With DOCUMENT_CACHE_DIR the answer comes once they are on disk. " +
          "Documents that are known cost nothing.",
        body: KeepBody,
        response: { 200: KeepAnswer, ...errorResponses },
      },
      onRequest: scoringGate(context),
    },
    async (request, reply) => keepAnswer(await keep(request, reply, context, readKeep(request.body)), context.options.modelName),
  );
}

async function keep(
  request: FastifyRequest,
  reply: FastifyReply,
  context: ServerContext,
  asked: KeepRequest,
): Promise<KeepResponse> {
  const notes = notesOf(request);
  const reranker = notes.work?.reranker ?? context.lifecycle.reranker();
  const images = asked.documents.filter((document) => typeof document !== "string").length;
  const work = { reranker, documents: asked.documents.length, ...(images > 0 && { images }) };
  notes.work = work;
  reranker.checkKeep(asked);
  const contents = [{ query: "", ...asked }];
  return admitted(request, reply, context, { work, contents }, async (signal, handOver) => {
    const response = await reranker.keep({ ...asked, signal, onQueue: () => handOver(0) });
    const { timings, usage } = response;
    if (timings.computedTokens > 0) context.health.succeeded();
    notes.work = { ...work, tokens: usage.totalTokens, timings };
    reply.header("server-timing", serverTiming(timings));
    return response;
  });
}
