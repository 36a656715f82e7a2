/** How far a native build is, and what is left, from what make and ninja print. */

import { describe, expect, it, test } from "vitest";
// @ts-expect-error: build scripts are plain JavaScript, which a checkout runs before there is TypeScript
import { fractionDone, progressReporter, timeLeft } from "../../native/build-progress.mjs";

test.each([
  ["[  7%] Building CXX object a.cpp.o", 0.07],
  ["[100%] Built target llama", 1],
  ["[30/120] Building CXX object b.cpp.o", 0.25],
  ["[0/0] Re-running CMake", undefined],
  ["warning: [30%] is not at the beginning", undefined],
  ["", undefined],
])("%j is %s", (line, fraction) => {
  expect(fractionDone(line)).toBe(fraction);
});

test.each([
  { fraction: 0.01, elapsedMs: 60_000, left: "" },
  { fraction: 0.5, elapsedMs: 120_000, left: "about 2 min left" },
  { fraction: 0.9, elapsedMs: 180_000, left: "about 20 s left" },
  { fraction: 0.25, elapsedMs: 97_500, left: "about 5 min left" },
  { fraction: 1, elapsedMs: 97_500, left: "" },
])("$fraction done in $elapsedMs ms: $left", ({ fraction, elapsedMs, left }) => {
  expect(timeLeft(fraction, elapsedMs)).toBe(left);
});

describe("the reporter", () => {
  function report(terminal: boolean) {
    let time = 0;
    let written = "";
    const reporter = progressReporter({ terminal, now: () => time, write: (text: string) => (written += text) });
    const at = (seconds: number, line: string) => {
      time = seconds * 1000;
      reporter.line(line);
    };
    return { at, end: () => reporter.end(), written: () => written };
  }

  it("writes a line each half minute where there is no terminal", () => {
    const { at, end, written } = report(false);
    at(1, "[1/100] a");
    at(20, "[10/100] b");
    at(31, "[25/100] c");
    at(40, "[30/100] d");
    at(62, "[50/100] e");
    end();
    expect(written()).toBe("  [ 25%] about 2 min left\n  [ 50%] about 60 s left\n");
  });

  it("moves one line on a terminal, and takes it away at the end", () => {
    const { at, end, written } = report(true);
    at(1, "[  0%] a");
    at(101, "[ 50%] b");
    at(191, "[ 95%] c");
    end();
    const lines = written().split("\r");
    expect(lines.map((line) => line.trim())).toEqual(["", "[  0%]", "[ 50%] about 2 min left", "[ 95%] about 10 s left", "", ""]);
    // A shorter line leaves nothing of a longer one.
    expect(lines[3]).toHaveLength(lines[2]?.length ?? 0);
  });

  it("takes the rate from what is built, not from what was there already", () => {
    const { at, written } = report(false);
    at(1, "[ 80%] first");
    at(61, "[ 90%] second");
    expect(written()).toBe("  [ 90%] about 60 s left\n");
  });
});
