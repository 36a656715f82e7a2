/** The preference `wait` of RFC 7240. */

import { expect, test } from "vitest";
import { preferredWait } from "../../src/server/prefer.js";

test.each([
  ["wait=5", 5],
  ["Wait = 010", 10],
  ['wait="3"', 3],
  ["respond-async, wait=10", 10],
  ["wait=10;foo=bar, wait=20", 10],
  [["respond-async", "wait=2"], 2],
  ['foo="a", handling=lenient; x=y ,wait=7', 7],
  ["wait=999999999", 999_999_999],
])("%j waits for %i seconds", (header, seconds) => {
  expect(preferredWait(header)).toBe(seconds);
});

test.each([
  undefined,
  "",
  "wait",
  "wait=",
  "wait=0",
  "wait=-1",
  "wait=1.5",
  "wait=soon",
  "wait=x, wait=5",
  "wait=1e3",
  "await=5",
  "foo=wait=5",
  "wait=99999999999",
  // As long as a header may be: a test of all of it in one expression takes an hour.
  `wait=${" ".repeat(15_000)}"x"y`,
])("%j is ignored", (header) => {
  expect(preferredWait(header)).toBeUndefined();
});
