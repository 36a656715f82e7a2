/** What the demo model knows of words: the text behind a token, its stem, and which words carry no meaning. */

/** GPT-2's alphabet: every byte as one printable character. */
const byteOf = new Map<string, number>();
{
  const printable = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 256;
  for (let byte = 0; byte < 256; byte++) byteOf.set(String.fromCharCode(printable(byte) ? byte : next++), byte);
}

export function tokenText(token: string): string {
  const bytes = Array.from(token, (character) => byteOf.get(character)).filter((byte) => byte !== undefined);
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

const endings = ["ization", "ational", "ing", "edly", "ers", "ies", "ed", "er", "es", "s", "ly"];
const shortestStem = 4;

/** Lower-cased, without surrounding space and without one common ending. */
export function stem(text: string): string {
  const word = text.trim().toLowerCase();
  const ending = endings.find((candidate) => word.endsWith(candidate) && word.length - candidate.length >= shortestStem);
  return ending ? word.slice(0, -ending.length) : word;
}

export function isWord(text: string): boolean {
  return /^[\p{L}\p{N}]+$/u.test(text.trim());
}

export const stopWords: ReadonlySet<string> = new Set(
  (
    "the a an of and or to in is are was were be been it this that for on with as by from at what how do does did who when where " +
    "which why can i you we they he she not no if then than so but into about your my our their its has have had will would could should"
  ).split(" "),
);
