import { expect, test } from "vitest";
import { printable, table } from "../../src/cli/table.js";

test("columns line up, and the last one is cut at the terminal's edge", () => {
  const rows = [
    ["1", "0.9", "a rather long document"],
    ["10", "0.12", "short"],
  ];
  expect(table(["rank", "score", "document"], rows, 24)).toBe(
    ["rank  score  document", "1     0.9    a rather l…", "10    0.12   short", ""].join("\n"),
  );
});

test("a document cannot drive the terminal or break its line", () => {
  expect(printable("a\u001b[31mred\r\n\tb\u0007\u202e")).toBe("a [31mred b");
});
