/** What the package promises by its types. tsd reads this file; nothing runs. */

import {
  type Content,
  type ErrorCode,
  type LoadOptions,
  type RankedDocument,
  RerankError,
  Reranker,
  type RerankResponse,
  rank,
  type ScoreResponse,
} from "jina-reranker";
import {
  type Content as ClientContent,
  type Health,
  type RerankAnswer,
  RerankClient,
  type RerankClientError,
} from "jina-reranker/client";
import { Engine, type ScoreResult } from "jina-reranker/native";
import { expectAssignable, expectError, expectNotAssignable, expectType } from "tsd";

declare const options: LoadOptions;
const reranker = await Reranker.load(options);
expectType<Reranker>(reranker);
expectType<Reranker>(await Reranker.load({ demo: true }));
expectType<Reranker>(await Reranker.load({ model: "owner/name", revision: "main" }));
expectError(Reranker.load({}));
expectError(Reranker.load({ modelPath: 5 }));
expectError(Reranker.load({ modelPath: "a", backend: "tpu" }));
expectNotAssignable<new () => Reranker>(Reranker);

const request = { query: "a", documents: ["b"] };
expectType<RerankResponse>(await reranker.rerank({ ...request, topK: 1, signal: AbortSignal.timeout(1) }));
expectType<RankedDocument[]>((await reranker.rerank(request)).results);
expectType<ScoreResponse>(await reranker.score({ query: "a", documents: ["b"] as const }));
expectType<Float32Array>((await reranker.score(request)).scores);
const picture = { image: new Uint8Array(1) };
expectType<RerankResponse<Content>>(await reranker.rerank({ query: picture, documents: ["a", picture] as Content[] }));
expectAssignable<string | typeof picture | undefined>(
  (await reranker.rerank({ query: "a", documents: ["b", picture] })).results[0]?.document,
);
expectType<ScoreResponse>(await reranker.score({ query: { image: { data: "" } }, documents: [{ image: "a.png" }, "b"] }));
expectError(reranker.rerank({ query: "a", documents: [{ text: "b" }] }));
expectError(reranker.rerank({ query: "a" }));
expectError(reranker.rerank({ ...request, documents: [1] }));
expectAssignable<AsyncDisposable>(reranker);
expectType<void>(await reranker.close());
expectType<number[]>(rank(new Float32Array(1), 1));

declare const error: RerankError;
expectType<ErrorCode>(error.code);
expectNotAssignable<ErrorCode>("no_such_code");
expectError(new RerankError("no_such_code", ""));

const client = new RerankClient({ baseUrl: "http://127.0.0.1:8081" });
expectType<RerankAnswer>(await client.rerank(request));
declare const bytes: Uint8Array;
const answer = await client.rerank({ query: { image: bytes }, documents: [{ image: bytes }] });
expectType<{ image: Uint8Array } | undefined>(answer.results[0]?.document);
declare const mixed: ClientContent[];
expectType<RerankAnswer<ClientContent>>(await client.rerank({ query: "a", documents: mixed }));
expectError(client.rerank({ query: "a", documents: [{ image: "page.png" }] }));
const health = await client.health();
expectType<Health>(health);
if (health.status === "ok") expectType<string>(health.device);
else expectType<string>(health.reason);
expectAssignable<Error>({} as RerankClientError);
expectError(new RerankClient({}));

declare const engineOptions: Parameters<typeof Engine.load>[0];
const engine = await Engine.load(engineOptions);
expectType<Engine>(engine);
expectType<Promise<ScoreResult>>(engine.submit(request).result);
