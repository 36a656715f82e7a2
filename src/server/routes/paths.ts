/** Where each dialect is spoken. Clients join their own path to a base URL that may end in a version already. */

export const scoringPaths = {
  /** What the body is tells the dialect. */
  byBody: ["/rerank", "/invocations"],
  tei: "/",
  jina: ["/v1/rerank", "/reranking", "/v1/reranking", "/v1/v1/rerank", "/api/v1/rerank"],
  cohere: ["/v2/rerank", "/v1/v2/rerank", "/v2/v2/rerank"],
  vllm: ["/score", "/v1/score"],
} as const;

/** For errors: what a client may have meant. */
export const scoringPathList = Object.values(scoringPaths).flat().join(", ");
