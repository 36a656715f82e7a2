/** How many documents one request may have. */

import { expect, test } from "vitest";
import { documentLimit } from "../../src/engine/limits.js";

test.each([
  [{ maxDocuments: undefined, maxQueuedPairs: 2000 }, undefined, 100],
  [{ maxDocuments: undefined, maxQueuedPairs: 2000 }, 1000, 1000],
  [{ maxDocuments: undefined, maxQueuedPairs: 10 }, undefined, 10],
  [{ maxDocuments: 50, maxQueuedPairs: 10 }, 1000, 10],
  [{ maxDocuments: 5, maxQueuedPairs: 10 }, 1000, 5],
])("load options %j and a request's own limit of %s allow %i", (limits, own, expected) => {
  expect(documentLimit(limits, own)).toBe(expected);
});
