/** Which failures are the engine's. */

import { expect, test } from "vitest";
import { inTheRequest, isTakenOut, isWorthAnother } from "../../src/engine/faults.js";

test.each([
  ["engine_error", false, true],
  ["invalid_score", false, true],
  ["closed", true, true],
  ["closed", false, false],
  ["query_too_long", false, false],
  ["queue_full", true, false],
  [undefined, false, false],
])("after %s of an engine that was taken out (%s), another engine tries: %s", (code, takenOut, expected) => {
  expect(isWorthAnother(code, takenOut)).toBe(expected);
});

test("the error of a part names the document's place in the request", () => {
  const native = (message: string) => Object.assign(new Error(message), { code: "document_too_long" });
  const named = inTheRequest(native("documents[1]: too long, not documents[0]"), [4, 7]);
  expect(named).toMatchObject({ code: "document_too_long", message: "documents[7]: too long, not documents[0]" });
  const other = native("query: too long");
  expect(inTheRequest(other, [4, 7])).toBe(other);
});

test.each([
  ["engine_error", 1, false],
  ["engine_error", 2, true],
  ["invalid_score", 1, true],
])("an engine with %s, %i in a row, is taken out: %s", (code, faults, expected) => {
  expect(isTakenOut(code, faults)).toBe(expected);
});
