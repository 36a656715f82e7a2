/** Where documents are cut into passages, for any Unicode text. */

import { describe, expect, test } from "vitest";
import { cutDocument, type PassageLimits } from "../../src/passages/cut.js";
import { seeded } from "../support/texts.js";
import { graphemeEdges, isOneGrapheme, unicodeText } from "../support/unicode-texts.js";

/** Tokens as a tokenizer with words and bytes would make them: a text has other tokens than its parts have together. */
function count(text: string): number {
  const words = text.match(/[^\p{L}\p{N}\s]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+/gu) ?? [];
  return words.reduce((sum, word) => sum + Math.ceil(Buffer.byteLength(word) / 4), 0);
}

function cut(text: string, limits: Partial<PassageLimits>, its = count) {
  const steps = cutDocument(text, { maxTokens: 32, overlapTokens: 8, max: 1000, ...limits }, its);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
const texts = (text: string, limits: Partial<PassageLimits>, its = count) =>
  cut(text, limits, its).spans.map(({ start, end }) => text.slice(start, end));

/** What must hold for the passages of any text; throws, naming the text. */
function verify(text: string, limits: PassageLimits, its = count): void {
  const { spans, droppedTokens } = cut(text, limits, its);
  const isEdge = graphemeEdges(text);
  const problems: string[] = [];
  const require = (holds: boolean, what: string) => holds || problems.push(what);
  require(spans.length >= 1 && spans.length <= limits.max, `${spans.length} passages`);
  require(spans[0]?.start === 0, "it begins behind the beginning");
  require((spans.at(-1)?.end === text.length) === (droppedTokens === 0), "what is left out does not show");
  require(spans.at(-1)?.end === text.length || spans.length === limits.max, "it ends before the end");
  for (const [index, { start, end }] of spans.entries()) {
    const passage = text.slice(start, end);
    require(end > start || text === "", `${index} is empty`);
    require(isEdge(start) && isEdge(end), `${index} splits a grapheme`);
    const tokens = its(passage);
    require(tokens <= limits.maxTokens || isOneGrapheme(passage), `${index} has ${tokens} tokens`);
    const before = spans[index - 1];
    if (!before) continue;
    require(start > before.start && end > before.end, `${index} is not behind the one before`);
    require(start <= before.end, `there is a gap before ${index}`);
    const shared = its(text.slice(start, before.end));
    require(shared <= limits.overlapTokens, `${index} shares ${shared} tokens with the one before`);
  }
  expect(problems, JSON.stringify({ text: text.slice(0, 500), limits })).toEqual([]);
}

describe("the passages of any text", () => {
  const random = seeded(4);
  const whole = (least: number, most: number) => least + Math.floor(random() * (most - least + 1));
  const cases = Array.from({ length: 300 }, (_, seed) => {
    const maxTokens = whole(1, 60);
    return { text: unicodeText(whole(1, 300), seed), limits: { maxTokens, overlapTokens: whole(0, maxTokens - 1), max: 10_000 } };
  });

  test("cover it, in order, split no grapheme and keep to the tokens of passage and overlap", () => {
    for (const { text, limits } of cases) verify(text, limits);
  });

  test("do so where a text has more tokens than its parts have together", () => {
    const odd = (text: string) => Math.ceil(text.length / 4) + (text.length > 10 ? 3 : 0);
    for (const { text, limits } of cases) verify(text, limits, odd);
  });

  test("are at most as many as asked for, and say that there is more", () => {
    for (const { text, limits } of cases) verify(text, { ...limits, max: 3 });
  });

  test.each<[string, string]>([
    ["nothing", ""],
    ["only white space", " \n\t\u3000".repeat(3000)],
    ["a single word of 100,000 letters", "a".repeat(100_000)],
    ["emoji without a space", "👩‍👩‍👧‍👦🏳️‍🌈👍🏽".repeat(1000)],
    ["flags, which pair up from the first", "🇩🇪".repeat(5000)],
    ["Chinese without a full stop", "机器学习是人工智能的一个分支".repeat(1000)],
    ["Thai, which has no spaces", "ภาษาไทยกำลังน้ำ".repeat(1000)],
    ["lone surrogates", "\ud83d\udc4d\udc4d\ud83d".repeat(3000)],
    ["letters with many marks", `Z${"\u0351".repeat(50)}`.repeat(200)],
    ["one letter with 1,500 marks", `so: Z${"\u0351".repeat(1500)} it was.`],
    ["right-to-left text", "שלום עולם. مرحبا بالعالم؟ ".repeat(500)],
    ["line breaks of Windows", "a line\r\n\r\n".repeat(2000)],
  ])("of %s do so too", (_, text) => {
    verify(text, { maxTokens: 64, overlapTokens: 8, max: 100_000 });
    verify(text.slice(0, 20_000), { maxTokens: 5, overlapTokens: 0, max: 100_000 });
  });
});

describe("a document", () => {
  const sentences = ["The first sentence is here. ", "A second one follows it. ", "Then comes number three. ", "Four ends it."];
  const text = sentences.join("");
  const words = (part: string) => part.match(/\S+/g)?.length ?? 0;

  test("that fits is one passage, as it is", () => {
    expect(texts(text, { maxTokens: 100 })).toEqual([text]);
    expect(texts(`  ${text}\n\n`, { maxTokens: 100 })).toEqual([`  ${text}\n\n`]);
    expect(texts("", {})).toEqual([""]);
  });

  test("is cut at the ends of sentences, with as many tokens as fit", () => {
    expect(texts(text, { maxTokens: 10, overlapTokens: 0 }, words)).toEqual([
      sentences.slice(0, 2).join(""),
      sentences.slice(2).join(""),
    ]);
  });

  test("has whole sentences in both passages", () => {
    expect(texts(text, { maxTokens: 10, overlapTokens: 6 }, words)).toEqual([
      sentences.slice(0, 2).join(""),
      sentences.slice(1, 3).join(""),
      sentences.slice(2).join(""),
    ]);
  });

  test("whose sentences are longer than the overlap has none", () => {
    expect(texts(text, { maxTokens: 10, overlapTokens: 3 }, words)).toHaveLength(2);
  });

  test("with a sentence that is too long is cut between its words", () => {
    const long = Array.from({ length: 30 }, (_, index) => `word${index}`).join(", ");
    const passages = texts(`Short. ${long}. Short again.`, { maxTokens: 20, overlapTokens: 0 });
    expect(passages.length).toBeGreaterThan(2);
    expect(passages.slice(1).every((passage) => /^[wS]/.test(passage))).toBe(true);
    expect(passages.slice(0, -1).every((passage) => passage.endsWith(" "))).toBe(true);
  });

  test("is read no further than its passages go", () => {
    const read: string[] = [];
    const long = text.repeat(10_000);
    const { spans, droppedTokens } = cut(long, { max: 2 }, (part) => {
      read.push(part);
      return count(part);
    });
    expect(spans).toHaveLength(2);
    expect(droppedTokens).toBeGreaterThan(200_000);
    expect(read.reduce((sum, part) => sum + part.length, 0)).toBeLessThan(5000);
  });

  test("of thousands of pieces is counted a few times in each step, whatever its passages share", () => {
    const lines = Array.from({ length: 4000 }, (_, index) => String.fromCharCode(97 + (index % 26))).join("\n");
    let counted = 0;
    const perStep: number[] = [];
    const steps = cutDocument(lines, { maxTokens: 3000, overlapTokens: 2999, max: 10 }, (part) => {
      counted += part.length;
      return count(part);
    });
    for (let step = steps.next(); !step.done; step = steps.next()) {
      perStep.push(counted);
      counted = 0;
    }
    expect(perStep.length).toBeGreaterThan(1000);
    expect(Math.max(...perStep)).toBeLessThan(3 * lines.length);
  });
});
