/** Where each dialect is spoken. Clients join their own path to a base URL that may end in a version already. */

export const scoringPaths = {
  /** The body tells the dialect. */
  byBody: ["/rerank", "/invocations"],
  tei: "/",
  jina: ["/v1/rerank", "/reranking", "/v1/reranking", "/v1/v1/rerank", "/api/v1/rerank"],
  cohere: ["/v2/rerank", "/v1/v2/rerank", "/v2/v2/rerank"],
  vllm: ["/score", "/v1/score"],
} as const;

/** For errors: the paths that a client may have meant, where the service is mounted at `mounted`. */
export function scoringPathList(mounted: string): string {
  return Object.values(scoringPaths)
    .flat()
    .map((path) => mounted + path)
    .join(", ");
}
