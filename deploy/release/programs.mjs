/** The programs that a smoke test runs beside an installed package. Each ranks with the demo model and prints the same line. */

const documents = ["the history of Rome", "how to bake bread"];

/** What each prints: the documents' indices, the best first. */
export const expected = "1,0";

const rank = (print) => `.then(async (reranker) => {
  const { results } = await reranker.rerank({ query: "baking bread", documents: ${JSON.stringify(documents)} });
  ${print}(results.map(({ index }) => index).join(","));
  await reranker.close();
})`;

export const programs = {
  "es-module.mjs": `import { Reranker } from "jina-reranker";
await Reranker.load({ demo: true })${rank("console.log")};
`,
  "common.cjs": `const { Reranker } = require("jina-reranker");
Reranker.load({ demo: true })${rank("console.log")};
`,
  "worker.mjs": `import { Worker, isMainThread, parentPort } from "node:worker_threads";
import { once } from "node:events";
if (isMainThread) {
  const [line] = await once(new Worker(new URL(import.meta.url)), "message");
  console.log(line);
} else {
  const { Reranker } = await import("jina-reranker");
  await Reranker.load({ demo: true })${rank("parentPort.postMessage.bind(parentPort)")};
}
`,
};

/** The command's arguments, the files that it reads, and the indices in what it prints. */
export const command = {
  args: ["jina-reranker", "rerank", "--demo", "--json", "--query", "baking bread", "rome.txt", "bread.txt"],
  files: { "rome.txt": documents[0], "bread.txt": documents[1] },
  ranked: (stdout) =>
    JSON.parse(stdout)
      .results.map(({ index }) => index)
      .join(","),
};
