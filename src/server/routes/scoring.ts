/** The routes that score: every alias of every dialect is registered here, and all of them do the same. */

import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { TSchema } from "typebox";
import { byBody } from "../../wire/by-body.js";
import { cohereV2 } from "../../wire/cohere-v2.js";
import { type Dialect, inTheirWords, type Job } from "../../wire/dialect.js";
import { jina } from "../../wire/jina.js";
import { isTei, tei } from "../../wire/tei.js";
import { shapeValidator } from "../../wire/validation.js";
import { vllmScore } from "../../wire/vllm-score.js";
import type { ServerContext } from "../context.js";
import { errorResponses, mixedErrorResponses } from "../openapi.js";
import { preferredWait } from "../prefer.js";
import { mostValues, runScoring, scoringGate } from "../scoring.js";
import { scoringPaths } from "./paths.js";

export function registerScoring(fastify: FastifyInstance, context: ServerContext): void {
  const app = fastify.withTypeProvider<TypeBoxTypeProvider>();
  const onRequest = scoringGate(context);

  /** The options that scoring routes have in common. */
  function speaking<Request extends TSchema, Answer extends TSchema>(
    { request, response, shapeOf }: Dialect<Request, Answer>,
    documentation: { readonly summary: string; readonly description?: string },
    errors = errorResponses,
  ) {
    return {
      schema: {
        tags: ["scoring"],
        ...documentation,
        body: request,
        response: { 200: response, ...errors },
      },
      ...(shapeOf && { validatorCompiler: () => shapeValidator(shapeOf, () => mostValues(context)) }),
      onRequest,
    };
  }

  async function answer<Answer>(job: Job<Answer>, request: FastifyRequest, reply: FastifyReply): Promise<Answer> {
    try {
      const words = (error: unknown, index: number) => inTheirWords(error, job, job.places?.[index]);
      const responses = await runScoring(request, reply, context, job.requests, words);
      if (job.applied?.wait !== undefined) reply.header("preference-applied", `wait=${job.applied.wait}`);
      return job.answer(responses, context.options.modelName);
    } catch (error) {
      throw inTheirWords(error, job);
    }
  }

  for (const [path, alias] of aliases(scoringPaths.byBody)) {
    const summary = alias ?? "Ranks documents for a query";
    const description =
      "The body tells the dialect: `texts` is Text Embeddings Inference, `top_n` or `model` Jina, else the service's own. " +
      "`Prefer: wait=N` asks the service's own for what is scored within N seconds.";
    const options = speaking(byBody, { summary, description }, mixedErrorResponses);
    app.post(path, { ...options, config: { speaksTei: isTei } }, async (request, reply) =>
      answer(byBody.read(request.body, { wait: preferredWait(request.headers.prefer) }), request, reply),
    );
  }

  app.post(
    scoringPaths.tei,
    {
      ...speaking(tei, { summary: "Ranks texts for a query, as Text Embeddings Inference does" }, mixedErrorResponses),
      config: { speaksTei: () => true },
    },
    async (request, reply) => answer(tei.read(request.body), request, reply),
  );

  for (const [path, alias] of aliases(scoringPaths.jina)) {
    const summary = alias ?? "Ranks documents for a query, as Jina and Cohere v1 do";
    app.post(path, speaking(jina, { summary }), async (request, reply) => answer(jina.read(request.body), request, reply));
  }

  for (const [path, alias] of aliases(scoringPaths.cohere)) {
    const summary = alias ?? "Ranks documents for a query, as Cohere v2 does";
    app.post(path, speaking(cohereV2, { summary }), async (request, reply) =>
      answer(cohereV2.read(request.body), request, reply),
    );
  }

  for (const [path, alias] of aliases(scoringPaths.vllm)) {
    const summary = alias ?? "Scores pairs, as vLLM does";
    const description =
      "One query against many documents, or as many against as many; the scores come in the order of the pairs.";
    app.post(path, speaking(vllmScore, { summary, description }), async (request, reply) =>
      answer(vllmScore.read(request.body), request, reply),
    );
  }
}

/** Each path, and for those after the first their summary in the documentation. */
function aliases([first, ...more]: readonly [string, ...string[]]): [path: string, summary: string | undefined][] {
  return [[first, undefined], ...more.map((path): [string, string] => [path, `The same as ${first}`])];
}
