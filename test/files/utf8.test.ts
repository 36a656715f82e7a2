/** Text from files and stdin must be UTF-8. An error names the line that is not. */

import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { decodeUtf8File } from "../../src/files/utf8.js";
import { startCommand } from "../support/command.js";
import { demoModel } from "../support/demo-service.js";

const mark = "\ufeff";
const latin1 = (text: string) => Buffer.from(text, "latin1");
const utf16 = (text: string) => Buffer.from(mark + text, "utf16le");

test("a byte order mark is not part of the text", () => {
  expect(decodeUtf8File(Buffer.from(`${mark}café\n`), "a.txt")).toBe("café\n");
  expect(decodeUtf8File(Buffer.from(`a${mark}b`), "a.txt")).toBe(`a${mark}b`);
  expect(decodeUtf8File(Buffer.from(""), "a.txt")).toBe("");
});

test.each([
  ["Latin-1", latin1("plain\ncafé\n"), "a.txt, line 2: expected text in UTF-8, got bytes that are not UTF-8; write it as UTF-8"],
  ["Latin-1 without a line end", latin1("café"), "a.txt, line 1: expected text in UTF-8"],
  ["UTF-16", utf16("café\n"), "a.txt: expected text in UTF-8, got UTF-16; write it as UTF-8"],
  ["big-endian UTF-16", Buffer.from([0xfe, 0xff, 0, 0x61]), "a.txt: expected text in UTF-8, got UTF-16"],
  ["UTF-16 without a mark", Buffer.from("cafe", "utf16le"), "a.txt, line 1: expected text in UTF-8, got NUL characters"],
  ["a character cut in half", Buffer.from("a\nb\ncafé").subarray(0, 8), "a.txt, line 3: expected text in UTF-8"],
])("%s is refused with what to do", (_, bytes, message) => {
  expect(() => decodeUtf8File(bytes, "a.txt")).toThrow(message);
});

let directory: string;
let model: string[];
beforeAll(async () => {
  const { modelPath, headPath } = await demoModel();
  model = ["--model", modelPath, "--head", headPath, "--n-gpu-layers", "0", "--n-threads", "1"];
  directory = await mkdtemp(join(tmpdir(), "jina-reranker-utf8-"));
});

async function rerank(args: readonly string[], input: Uint8Array = Buffer.from("")) {
  const { child, ended } = startCommand(["rerank", ...model, ...args]);
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  return await ended;
}

test("documents from stdin and from files that are not UTF-8 end the run with the line", async () => {
  const file = join(directory, "latin1.txt");
  await writeFile(file, latin1("one\ntwo\ncafé\n"));
  for (const [run, name] of [
    [rerank(["-q", "coffee"], latin1("tea\ncafé\n")), "stdin, line 2"],
    [rerank(["-q", "coffee", file]), `${file}, line 3`],
    [rerank(["-q", "coffee"], utf16("coffee\n")), "stdin"],
  ] as const) {
    const { code, stdout, stderr } = await run;
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(new RegExp(`^jina-reranker: ${name.replaceAll(".", "\\.")}: expected text in UTF-8, got .*\n$`));
  }
  const { code, stdout } = await rerank(["-q", "coffee"], Buffer.from(`${mark}coffee\r\ntea\n`));
  expect([code, JSON.parse(stdout).results[0].document]).toEqual([0, "coffee"]);
});

test("in JSONL a line that is not UTF-8 is answered with its number, and UTF-16 ends the run", async () => {
  const request = '{"query":"coffee","documents":["coffee","café"]}';
  const bytes = Buffer.concat([Buffer.from(`${mark}${request}\n`), latin1(`${request}\n`), Buffer.from(`${request}\n`)]);
  const { code, stdout } = await rerank(["--jsonl"], bytes);
  const answers = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(code).toBe(1);
  expect(answers).toMatchObject([
    { query: "coffee", results: [{ index: 0 }, { document: "café" }] },
    { line: 2, error: { code: "invalid_request", message: expect.stringContaining("line 2: expected text in UTF-8") } },
    { query: "coffee" },
  ]);
  const wide = await rerank(["--jsonl"], utf16(`${request}\n`));
  expect(wide).toMatchObject({ code: 1, stdout: "" });
  expect(wide.stderr).toContain("stdin: expected text in UTF-8, got UTF-16");
});

test("a query that is not UTF-8 is a usage error", async () => {
  const { code, stdout, stderr } = await rerank(["-q", "caf\ufffd"]);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain("--query: expected text in UTF-8");
});
