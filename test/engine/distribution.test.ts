/** Which engine gets which documents. */

import { expect, test } from "vitest";
import { distribute } from "../../src/engine/distribution.js";
import { fingerprint } from "../../src/engine/estimates.js";

const query = "how do machines learn?";
/** Documents of about 10 tokens each whose home, of two engines, is the first and the second. */
const [homeFirst, homeSecond] = [0, 1].map((home) =>
  Array.from({ length: 100 }, (_, index) => `document ${index} of the words of a river and a stone`).filter(
    (document) => fingerprint(document) % 2 === home,
  ),
);

function shares(documents: readonly string[] = [], outstanding: readonly number[] = [0, 0], batchTokens = 64): number[] {
  const engines = outstanding.map((tokens) => ({ outstanding: tokens, batchTokens }));
  const parts = distribute({ query, documents }, engines);
  expect(parts.flatMap(({ indices }) => indices).sort((left, right) => left - right)).toEqual([...documents.keys()]);
  return parts.map(({ indices }) => indices.length);
}

test("a document goes to its home, whatever its place in the request", () => {
  expect(shares(homeFirst?.slice(0, 3))).toEqual([3, 0]);
  expect(shares([...(homeSecond ?? []).slice(0, 2), ...(homeFirst ?? []).slice(0, 2)])).toEqual([2, 2]);
});

test("a document leaves its home when that is more than a batch behind the least busy engine", () => {
  expect(shares(homeFirst?.slice(0, 1), [64, 0])).toEqual([1, 0]);
  expect(shares(homeFirst?.slice(0, 1), [65, 0])).toEqual([0, 1]);
});

test("a large request is spread, although all its documents have the same home", () => {
  const [first = 0, second = 0] = shares(homeFirst?.slice(0, 40));
  expect(first).toBeGreaterThan(second);
  expect(second).toBeGreaterThan(10);
});

test("an image counts with its tokens, and its home is that of its pixels, whatever array they are in", () => {
  const image = (hash: string) => ({ width: 28 * 4, height: 28 * 3, rgb: new Uint8Array(28 * 28 * 12 * 3), hash });
  const home = (hash: string) => fingerprint(hash) % 2;
  const hashes = Array.from({ length: 20 }, (_, index) => `hash ${index}`);
  const parts = distribute({ query: "1234", documents: hashes.map(image) }, Array(2).fill({ outstanding: 0, batchTokens: 1000 }));
  for (const [engine, { indices, tokens }] of parts.entries()) {
    expect(indices).toEqual([...hashes.keys()].filter((index) => home(hashes[index] ?? "") === engine));
    expect(indices.length).toBeGreaterThan(2);
    expect(tokens).toBe(indices.length * (2 + 12));
  }
});

test("a part's tokens are those of its pairs, query and instruction in each", () => {
  const request = { query: "12345678", documents: ["1234", "12345678"] };
  const engines = [{ outstanding: 0, batchTokens: 64 }];
  expect(distribute(request, engines)).toEqual([{ indices: [0, 1], tokens: 3 + 2 + 3 + 3 }]);
  expect(distribute({ ...request, instruction: "1234" }, engines)).toEqual([{ indices: [0, 1], tokens: 3 + 2 + 3 + 3 + 2 * 2 }]);
});
