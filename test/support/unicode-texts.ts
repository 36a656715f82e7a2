/** Random texts of what Unicode has: scripts with and without spaces, marks, joiners, flags, lone surrogates, white space. */

import { seeded } from "./texts.js";

const alphabets: readonly (readonly string[])[] = [
  ["Machines", "learn", "from", "data", "e.g.", "3.14", "can't", "Dr.", "why?", "well…"],
  ["naïve", "e\u0301te\u0301", "o\u0308\u0323\u0301", "n\u0303", "Z\u0351\u036b\u0343\u036a"],
  ["👩‍👩‍👧‍👦", "👍🏽", "🏳️‍🌈", "🇩🇪", "🇫🇷", "🇯", "❤️", "1️⃣", "😀", "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}"],
  ["机器学习是人工智能的一个分支", "今天天气很好", "。", "吗？", "日本語の文章です", "カタカナ", "𠮷野家", "が\u3099"],
  ["한국어", "\u1112\u1161\u11ab", "각", "문장입니다."],
  ["مرحبا", "بالعالم", "؟", "\u0600\u0661", "\u200fשלום\u200e", "שָׁלוֹם", "עולם."],
  ["क्षत्रिय", "नमस्ते", "किताब", "।", "ภาษาไทย", "กำลัง", "น้ำ", "ស្វាគមន៍"],
  ["\ud83d", "\udc4d", "\ud800\u0301", "\udfff\u200d", "\u200d", "\ufe0f", "\u0000", "\u{10ffff}"],
  [" ", "\t", "\r\n", "\n\n", "\r", "\u00a0", "\u3000", "\u2028", "\u2029\u0301", "    "],
  ["**Document**:", "<|endoftext|>", "====", "…", "(a)", "“q”", "x".repeat(40), "字".repeat(30)],
];
const separators = [" ", " ", " ", ". ", "! ", "", "", "\n", "\n\n", "。"];

/** `length`: how many words, signs and the like it is made of. The same seed gives the same text. */
export function unicodeText(length: number, seed: number): string {
  const random = seeded(seed);
  const one = <Value>(of: readonly Value[]): Value => of[Math.floor(random() * of.length)] as Value;
  // A few alphabets a text: one of all of them has no sentences.
  const some = [one(alphabets), one(alphabets), one(alphabets)];
  return Array.from({ length }, () => one(one(some)) + one(separators)).join("");
}

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Whether a grapheme begins at an index of the text, or it is the end. */
export function graphemeEdges(text: string): (index: number) => boolean {
  // Segments of a long text are slow to walk through, and not to look up.
  const segments = graphemes.segment(text);
  return (index) => index === text.length || segments.containing(index)?.index === index;
}

export function isOneGrapheme(text: string): boolean {
  return graphemes.segment(text).containing(0)?.segment === text;
}
