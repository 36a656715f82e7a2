/** Objects, lists and fields of a body are counted before it is parsed. */

import { expect, test } from "vitest";
import { hasMoreStructures } from "../../src/wire/structures.js";

const count = (json: string) => {
  let most = 0;
  while (hasMoreStructures(Buffer.from(json), most)) most += 1;
  return most;
};

test.each([
  ["{}", 1],
  ['{"query":"a","documents":[{},{},[],1,"2"]}', 7],
  ['{"a":"[{:","b":"\\"[{","c":"\\\\"}', 4],
  ['{"a":"\\\\","b":[]}', 4],
  ['["{", "\\u007b", {"[": "]"}]', 3],
  ['["日本 {", [1, 2]]', 2],
  // No JSON: the parser says so.
  ['{"a":"[[[', 2],
  ["", 0],
])("%s has %i", (json, expected) => {
  expect(count(json)).toBe(expected);
});
