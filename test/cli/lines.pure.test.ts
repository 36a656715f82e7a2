import fc from "fast-check";
import { expect, test } from "vitest";
import { type Line, linesOf } from "../../src/cli/lines.js";

async function* chunks(parts: readonly string[]): AsyncGenerator<Buffer> {
  for (const part of parts) yield Buffer.from(part);
}

async function collect(parts: readonly string[], limit: number): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of linesOf(chunks(parts), limit)) lines.push(line);
  return lines;
}

test("lines are the same however the stream is cut into chunks", async () => {
  const piece = fc.string({ unit: fc.constantFrom("a", "\n", "\r", "\u2028", "é") });
  await fc.assert(
    fc.asyncProperty(fc.array(piece), async (parts) => {
      const text = parts.join("");
      const expected = text.split("\n");
      if (expected.at(-1) === "") expected.pop();
      expect((await collect(parts, 1000)).map(({ bytes }) => bytes.toString())).toEqual(expected);
    }),
  );
});

test("of a line over the limit only its beginning is kept, and its length is known", async () => {
  const lines = await collect(["abc", "defgh\nij", "\nk"], 4);
  expect(lines.map(({ bytes, length, ended }) => [bytes.toString(), length, ended])).toEqual([
    ["abcd", 8, true],
    ["ij", 2, true],
    ["k", 1, false],
  ]);
});
