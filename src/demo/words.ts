/** The demo model's view of words: the text of a token, the stem of a word, and the stop words. */

/** GPT-2's byte alphabet: each byte is written as one printable character. */
const byteOf = new Map<string, number>();
const characterOf: string[] = [];
{
  const printable = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const character = String.fromCharCode(printable(byte) ? byte : next++);
    byteOf.set(character, byte);
    characterOf.push(character);
  }
}

const decoder = new TextDecoder();

export function tokenText(token: string): string {
  if (/^[!-~]+$/.test(token)) return token;
  const bytes = Array.from(token, (character) => byteOf.get(character)).filter((byte) => byte !== undefined);
  return decoder.decode(Uint8Array.from(bytes));
}

export function tokenOf(text: string): string {
  if (/^[!-~]*$/.test(text)) return text;
  return Array.from(Buffer.from(text), (byte) => characterOf[byte]).join("");
}

/** Whether the token begins or ends inside a UTF-8 character and so has no text. */
export function isPartOfCharacter(token: string): boolean {
  return tokenText(token).includes("\ufffd");
}

/** The token without a leading space and in lower case. */
export function foldToken(token: string): string {
  const text = tokenText(token);
  if (text.includes("\ufffd")) return token;
  const word = text.trim() === "" ? text : text.replace(/^ /, "");
  const lower = word.toLowerCase();
  return tokenOf([...lower].length === [...word].length ? lower : word);
}

const shortestStem = 3;

/**
 * The word without plural, -ing and -ed. The rest must be a known word, so "sing" and "bus" stay. When two rests are known the
 * spelling decides: "hoping" comes from "hope", "hopping" from "hop".
 */
export function stem(word: string, known: ReadonlySet<string>): string {
  if (stopWords.has(word)) return word;
  const base = bases(word, known).find((candidate) => candidate.length >= shortestStem && known.has(candidate));
  return base === undefined ? word : stem(base, known);
}

/** The form of a word before -ed and -ing where it differs from the word: "danc" for "dance", "shopp" for "shop". */
export function trunks(word: string): string[] {
  if (/..[^aeiouy]e$/.test(word)) return [word.slice(0, -1)];
  return /^[^aeiou]*[aeiou][^aeiouwxys]$/.test(word) ? [word + word.at(-1)] : [];
}

/** The words that this word may be an inflection of, the likeliest first. */
function bases(word: string, known: ReadonlySet<string>): string[] {
  if (!known.has(word) && trunks(`${word}e`).includes(word) && known.has(`${word}e`)) return [`${word}e`];
  if (!known.has(word) && trunks(word.slice(0, -1)).includes(word)) return [word.slice(0, -1)];
  const [, verb] = /^(.+)(?:ing|ed)$/.exec(word) ?? [];
  if (verb !== undefined) {
    const doubled = /([^aeiou])\1$/.test(verb) ? [verb.slice(0, -1)] : [];
    const short = /[^aeiou][aeiou][^aeiouwxy]$/.test(verb);
    const silent = [`${verb}e`, ...otherVowel(verb)];
    return short ? [...silent, verb] : [verb, ...doubled, ...silent];
  }
  const [, noun] = /^(.*[^su])s$/.exec(word) ?? [];
  if (noun === undefined) return [];
  if (noun.endsWith("ie")) return [`${noun.slice(0, -2)}y`, noun];
  if (noun.endsWith("ve")) return [noun, `${noun.slice(0, -2)}f`, `${noun.slice(0, -2)}fe`];
  return noun.endsWith("e") ? [noun, noun.slice(0, -1)] : [noun];
}

/** "study" for "studi(ed)", "die" for "dy(ing)". */
function otherVowel(verb: string): string[] {
  if (verb.endsWith("i")) return [`${verb.slice(0, -1)}y`];
  return verb.endsWith("y") ? [`${verb.slice(0, -1)}ie`] : [];
}

export function isWord(text: string): boolean {
  return /^[\p{L}\p{N}]+$/u.test(text);
}

/** Pieces that are not words by themselves. */
export const endings: ReadonlySet<string> = new Set(["s", "es", "ed", "ing"]);

export const stopWords: ReadonlySet<string> = new Set(
  (
    "the a an of and or to in is are was were be been it this that for on with as by from at what how do does did who when where " +
    "which why can i you we they he she not no if then than so but into about your my our their its has have had will would could should"
  ).split(" "),
);
