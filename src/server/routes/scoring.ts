/** The routes that score: every alias of every dialect is registered here, and all of them do the same. */

import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { TSchema } from "typebox";
import { RerankError } from "../../errors.js";
import { byBody } from "../dialects/by-body.js";
import { cohereV2 } from "../dialects/cohere-v2.js";
import type { Dialect, FieldNames, Job } from "../dialects/dialect.js";
import { jina } from "../dialects/jina.js";
import { isTei } from "../dialects/tei.js";
import { vllmScore } from "../dialects/vllm-score.js";
import { errorResponses, mixedErrorResponses } from "../openapi.js";
import { runScoring, scoringGate } from "../scoring.js";
import type { ServerContext } from "../state.js";
import { shapeValidator } from "../validation.js";

export function registerScoring(fastify: FastifyInstance, context: ServerContext): void {
  const app = fastify.withTypeProvider<TypeBoxTypeProvider>();
  const onRequest = scoringGate(context);

  /** A route's options, in which all routes are alike. */
  function speaking<Request extends TSchema, Answer extends TSchema>(
    { request, response, shapeOf }: Dialect<Request, Answer>,
    documentation: { readonly summary: string; readonly description?: string },
    errors = errorResponses,
  ) {
    return {
      schema: {
        tags: ["scoring"],
        ...documentation,
        security: [{}, { key: [] }],
        body: request,
        response: { 200: response, ...errors },
      },
      ...(shapeOf && { validatorCompiler: () => shapeValidator(shapeOf) }),
      onRequest,
    };
  }

  async function answer<Answer>(job: Job<Answer>, request: FastifyRequest, reply: FastifyReply): Promise<Answer> {
    try {
      const responses = await runScoring(request, reply, context, job.requests);
      return job.answer(responses, context.options.modelName);
    } catch (error) {
      throw inTheirWords(error, job.names);
    }
  }

  app.post(
    "/rerank",
    {
      ...speaking(
        byBody,
        {
          summary: "Ranks documents for a query",
          description:
            "The body tells the dialect: `texts` is Text Embeddings Inference, `top_n` or `model` Jina, else the service's own.",
        },
        mixedErrorResponses,
      ),
      config: { speaksTei: isTei },
    },
    async (request, reply) => answer(byBody.read(request.body), request, reply),
  );

  for (const [path, alias] of aliases("/v1/rerank", "/reranking", "/v1/reranking", "/v1/v1/rerank")) {
    const summary = alias ?? "Ranks documents for a query, as Jina and Cohere v1 do";
    app.post(path, speaking(jina, { summary }), async (request, reply) => answer(jina.read(request.body), request, reply));
  }

  app.post(
    "/v2/rerank",
    speaking(cohereV2, { summary: "Ranks documents for a query, as Cohere v2 does" }),
    async (request, reply) => answer(cohereV2.read(request.body), request, reply),
  );

  for (const [path, alias] of aliases("/score", "/v1/score")) {
    const summary = alias ?? "Scores pairs of texts, as vLLM does";
    const description = "One text against many, or as many against as many; the scores come in the order of the pairs.";
    app.post(path, speaking(vllmScore, { summary, description }), async (request, reply) =>
      answer(vllmScore.read(request.body), request, reply),
    );
  }
}

/** Each path, and for those after the first what they are called in the documentation. */
function aliases(first: string, ...more: readonly string[]): [path: string, summary: string | undefined][] {
  return [[first, undefined], ...more.map((path): [string, string] => [path, `The same as ${first}`])];
}

/** The reranker speaks of `query` and `documents`; the client may call them something else. */
function inTheirWords(error: unknown, { query, documents }: FieldNames): unknown {
  if (!(error instanceof RerankError)) return error;
  const message = error.message.replace(/^query\b/, query).replace(/^documents\b/, documents);
  return message === error.message ? error : new RerankError(error.code, message, { cause: error });
}
