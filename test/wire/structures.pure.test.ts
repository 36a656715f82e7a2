/** Objects and lists of a body are counted before it is parsed. */

import { expect, test } from "vitest";
import { hasMoreStructures } from "../../src/wire/structures.js";

const count = (json: string) => {
  let most = 0;
  while (hasMoreStructures(Buffer.from(json), most)) most += 1;
  return most;
};

test.each([
  ["{}", 1],
  ['{"query":"a","documents":[{},{},[]]}', 5],
  ['{"a":"[{","b":"\\"[{","c":"\\\\"}', 1],
  ['{"a":"\\\\","b":[]}', 2],
  ['["{", "\\u007b", {"[": "]"}]', 2],
  ['["日本 {", [1, 2]]', 2],
  // No JSON: the parser says so.
  ['{"a":"[[[', 1],
  ["", 0],
])("%s has %i", (json, expected) => {
  expect(count(json)).toBe(expected);
});
