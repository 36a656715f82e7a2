/** What a request may ask for as passages. */

import { expect, test } from "vitest";
import { checkPassages, passageLimits, within } from "../../src/passages/options.js";
import type { PassageOptions } from "../../src/types.js";
import { failure } from "../support/failure.js";

test.each<[true | PassageOptions, object]>([
  [true, { maxTokens: 512, overlapTokens: 64, max: 10 }],
  [{}, { maxTokens: 512, overlapTokens: 64, max: 10 }],
  [
    { maxTokens: 100, max: 3 },
    { maxTokens: 100, overlapTokens: 12, max: 3 },
  ],
  [{ maxTokens: 2000 }, { maxTokens: 2000, overlapTokens: 64, max: 10 }],
  [{ maxTokens: 1 }, { maxTokens: 1, overlapTokens: 0, max: 10 }],
  [
    { maxTokens: 100, overlapTokens: 99 },
    { maxTokens: 100, overlapTokens: 99, max: 10 },
  ],
])("%j are %j", (passages, limits) => {
  expect(() => checkPassages({ passages })).not.toThrow();
  expect(passageLimits(passages)).toEqual(limits);
});

test.each<[object, string]>([
  [{ passages: false }, "passages: expected true or {maxTokens, overlapTokens, max}, got false"],
  [{ passages: null }, "passages: expected true or {maxTokens, overlapTokens, max}, got null"],
  [{ passages: [] }, "passages: expected true or {maxTokens, overlapTokens, max}, got an array"],
  [{ passages: { max_tokens: 5 } }, "passages: expected the fields maxTokens, overlapTokens and max, got another"],
  [{ passages: { maxTokens: 0 } }, "passages.maxTokens: expected a whole number of at least 1, got 0"],
  [{ passages: { max: 1.5 } }, "passages.max: expected a whole number of at least 1, got 1.5"],
  [{ passages: { overlapTokens: "1" } }, "passages.overlapTokens: expected a whole number of at least 0, got a string"],
  [{ passages: { overlapTokens: 600 } }, "passages.overlapTokens: expected fewer than the 512 tokens of a passage, got 600"],
  [
    { passages: true, maxDocumentTokens: 5 },
    "maxDocumentTokens: expected nothing beside passages, whose maxTokens and max limit a document, got 5",
  ],
  [
    { passages: true, truncate: "start" },
    "truncate: expected end or never beside passages, which are cut from the start on, got start",
  ],
])("%j is refused: %s", (request, message) => {
  expect(failure(() => Reflect.apply(checkPassages, undefined, [request]))).toMatchObject({ code: "invalid_request", message });
});

test("passages are no longer than there is room, and go on all the same", () => {
  const limits = { maxTokens: 512, overlapTokens: 64, max: 10 };
  expect(within(limits, 1000)).toEqual(limits);
  expect(within(limits, 40)).toEqual({ maxTokens: 40, overlapTokens: 39, max: 10 });
  expect(within(limits, -3)).toEqual({ maxTokens: 1, overlapTokens: 0, max: 10 });
});
