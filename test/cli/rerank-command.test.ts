/** What the flags of `rerank` ask for. */

import { expect, test } from "vitest";
import { type RerankFlags, rerankCommand } from "../../src/cli/rerank-command.js";

const query = "baking bread";

test.each<[RerankFlags, boolean, object]>([
  [{ query }, true, { query: { text: query }, images: [], json: false, topK: 0, jsonl: undefined }],
  [{ query }, false, { query: { text: query }, json: true }],
  [
    { queryImage: "page.png", image: ["a.png", "b.jpg"] },
    false,
    { query: { imageFile: "page.png" }, images: ["a.png", "b.jpg"] },
  ],
  [{ jsonl: true, imageFolder: "pages" }, false, { jsonl: { imageFolder: "pages" } }],
  [{ query, json: true, topK: "3" }, true, { json: true, topK: 3 }],
  [{ jsonl: true }, false, { query: undefined, jsonl: { shard: undefined, output: undefined } }],
  [{ jsonl: true, shard: "2/3", output: "a.jsonl" }, false, { jsonl: { shard: { index: 2, count: 3 }, output: "a.jsonl" } }],
  [{ jsonl: true, shard: "job/4" }, false, { jsonl: { shard: { index: 3, count: 4 } } }],
  [{ query }, false, { scoring: {} }],
  [
    { query, instruction: "Prefer recipes.", passages: true },
    false,
    { scoring: { instruction: "Prefer recipes.", passages: {} } },
  ],
  [
    { query, passageTokens: "100", passageOverlap: "0", maxPassages: "50" },
    false,
    { scoring: { passages: { maxTokens: 100, overlapTokens: 0, max: 50 } } },
  ],
])("%j with stdout on a terminal (%s): %j", (flags, onTerminal, expected) => {
  const command = rerankCommand(["a.txt"], flags, onTerminal, { JOB_COMPLETION_INDEX: "2" });
  expect(command).toMatchObject({ files: ["a.txt"], ...expected });
});

test.each<[RerankFlags, string]>([
  [{}, "--query: expected the text to rank for, got nothing; --query-image asks with an image"],
  [{ query, queryImage: "page.png" }, "--query-image: not with --query; leave one of them out"],
  [{ queryImage: "page.png", jsonl: true }, "--query-image: not with --jsonl, where each line has its own query"],
  [{ image: ["page.png"], jsonl: true }, "--image: not with --jsonl, where each line has its own documents"],
  [{ query, imageFolder: "pages" }, "--image-folder: only with --jsonl"],
  [{ query, jsonl: true }, "--query: not with --jsonl, where each line has its own"],
  [{ query: "caf\ufffd" }, "--query: expected text in UTF-8, got bytes that are not; set the terminal to UTF-8"],
  [{ query, shard: "1/2" }, "--shard: only with --jsonl"],
  [{ query, output: "a.jsonl" }, "--output: only with --jsonl"],
  [{ query, topK: "-1" }, '--top-k: expected a whole number of at least 0, got "-1"'],
  [
    { query, instruction: "caf\ufffd" },
    "--instruction: expected text in UTF-8, got bytes that are not; set the terminal to UTF-8",
  ],
  [{ jsonl: true, instruction: "a" }, "--instruction: not with --jsonl, where each line has its own"],
  [{ jsonl: true, maxPassages: "3" }, "--passages: not with --jsonl, where each line has its own"],
  [{ query, passageTokens: "0" }, '--passage-tokens: expected a whole number of at least 1, got "0"'],
  [{ query, passageOverlap: "x" }, '--passage-overlap: expected a whole number of at least 0, got "x"'],
  [{ query, maxPassages: "-1" }, '--max-passages: expected a whole number of at least 1, got "-1"'],
  [
    { query, passageTokens: "50", passageOverlap: "50" },
    "--passage-overlap: expected fewer than the 50 tokens of a passage, got 50",
  ],
  [
    { jsonl: true, shard: "3/2" },
    '--shard: expected i/n with i from 1 to n, or job/n for the i of a Kubernetes indexed Job, got "3/2"',
  ],
])("%j is refused: %s", (flags, message) => {
  expect(() => rerankCommand([], flags, true, {})).toThrow(message);
});
