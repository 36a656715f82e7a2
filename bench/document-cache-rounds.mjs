/** One engine in a process of its own: the same documents with a first query (cold) and with new ones (warm), in JSON. */

import { readFileSync } from "node:fs";
import { Reranker } from "../dist/index.js";

const { options, documents, queries } = JSON.parse(readFileSync(0, "utf8"));
const reranker = await Reranker.load(options);
// The first decode of a process also fills buffers.
await reranker.score({ query: "warming up", documents: ["a text of its own"] });
const rounds = [];
for (const query of queries) {
  const { timings, usage } = await reranker.score({ query, documents });
  rounds.push({ seconds: timings.totalMs / 1000, tokens: usage.totalTokens, reused: timings.reusedTokens });
}
const { info } = reranker;
const { cacheBytes } = reranker.stats();
await reranker.close();
process.stdout.write(JSON.stringify({ rounds, info, cacheBytes }));
