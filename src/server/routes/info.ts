/** What is served: GET /info as Text Embeddings Inference tells it, GET /v1/models as OpenAI does. */

import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { defaultMaxDocuments, documentLimit } from "../../engine/limits.js";
import { loadAddon } from "../../native/addon.js";
import type { ServerContext } from "../context.js";
import { openErrorResponses, teiErrorResponses } from "../openapi.js";

const ModelInfo = Type.Object(
  {
    model_id: Type.String(),
    model_sha: Type.Null(),
    model_dtype: Type.String({ description: "the model and the type of its weights, as llama.cpp calls them" }),
    model_type: Type.Object({
      reranker: Type.Object({
        id2label: Type.Record(Type.String(), Type.String()),
        label2id: Type.Record(Type.String(), Type.Integer()),
      }),
    }),
    max_concurrent_requests: Type.Integer({ description: "each waits with at least one pair: MAX_QUEUED_PAIRS" }),
    max_input_length: Type.Integer({ description: "tokens of a pair: CTX_SIZE" }),
    max_batch_tokens: Type.Integer({ description: "BATCH_TOKENS" }),
    max_batch_requests: Type.Null(),
    max_client_batch_size: Type.Integer({ description: "MAX_DOCUMENTS" }),
    images: Type.Optional(
      Type.Object(
        {
          max_client_images: Type.Integer({ description: "MAX_IMAGES" }),
          max_image_tokens: Type.Integer({ description: "IMAGE_MAX_TOKENS" }),
        },
        { description: "absent = there is no vision tower, and images are refused" },
      ),
    ),
    auto_truncate: Type.Boolean({ description: "documents are cut to fit unless `truncate` is false" }),
    tokenization_workers: Type.Integer(),
    version: Type.String(),
    sha: Type.Null(),
    docker_label: Type.Null(),
  },
  { description: "the model and its limits" },
);

const Model = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal("model"),
    created: Type.Integer({ description: "seconds since 1970: when the service started" }),
    owned_by: Type.String(),
  },
  { description: "the model that is served" },
);

const ModelList = Type.Object(
  { object: Type.Literal("list"), data: Type.Array(Model) },
  { description: "the one model that is served" },
);

export function registerInfo(fastify: FastifyInstance, context: ServerContext): void {
  const app = fastify.withTypeProvider<TypeBoxTypeProvider>();
  const created = Math.floor(Date.now() / 1000);
  const { modelName } = context.options;
  const model = { id: modelName, object: "model" as const, created, owned_by: "jina-reranker" };
  const documented = { tags: ["model"] };

  app.get(
    "/info",
    {
      config: { speaksTei: () => true },
      schema: {
        ...documented,
        summary: "The model and its limits, as Text Embeddings Inference tells them",
        response: { 200: ModelInfo, ...teiErrorResponses },
      },
    },
    async () => {
      const { info, limits } = context.lifecycle.reranker();
      return {
        model_id: modelName,
        model_sha: null,
        model_dtype: info.description,
        model_type: { reranker: { id2label: { "0": "LABEL_0" }, label2id: { LABEL_0: 0 } } },
        max_concurrent_requests: limits.maxQueuedPairs,
        max_input_length: info.contextSize,
        max_batch_tokens: info.batchTokens,
        max_batch_requests: null,
        max_client_batch_size: documentLimit(limits, defaultMaxDocuments.others),
        ...(info.vision && { images: { max_client_images: limits.maxImages, max_image_tokens: info.vision.maxTokens } }),
        auto_truncate: true,
        tokenization_workers: 1,
        version: loadAddon().binding.version().addon,
        sha: null,
        docker_label: null,
      };
    },
  );

  app.get(
    "/v1/models",
    {
      schema: {
        ...documented,
        summary: "The model, as OpenAI lists models",
        response: { 200: ModelList, ...openErrorResponses },
      },
    },
    async () => ({ object: "list" as const, data: [model] }),
  );

  // Any name is accepted, as in requests; names of repositories have a slash.
  for (const [path, hide] of [
    ["/v1/models/:id", false],
    ["/v1/models/*", true],
  ] as const) {
    app.get(
      path,
      {
        schema: {
          ...documented,
          hide,
          summary: "The model, as OpenAI retrieves one; any name is accepted",
          response: { 200: Model, ...openErrorResponses },
        },
      },
      async () => model,
    );
  }
}
