/** One engine in a process of its own: scores the same documents a few times and prints the seconds of every round as JSON. */

import { readFileSync } from "node:fs";
import { Reranker } from "../dist/index.js";

const { options, query, documents, rounds } = JSON.parse(readFileSync(0, "utf8"));
const reranker = await Reranker.load(options);
const seconds = [];
let usage;
for (let round = 0; round < rounds; round++) {
  const start = process.hrtime.bigint();
  ({ usage } = await reranker.score({ query, documents }));
  seconds.push(Number(process.hrtime.bigint() - start) / 1e9);
}
const { info } = reranker;
await reranker.close();
process.stdout.write(
  JSON.stringify({ seconds, tokens: usage.promptTokens, info, peakBytes: process.resourceUsage().maxRSS * 1024 }),
);
