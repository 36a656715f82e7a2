/** What the demo model knows of words: the text behind a token, its stem, and which words carry no meaning. */

/** GPT-2's alphabet: every byte as one printable character. */
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

/** Whether the token begins or ends within a character, so that it has no text. */
export function isPartOfCharacter(token: string): boolean {
  return tokenText(token).includes("\ufffd");
}

/** Without the space before it and in lower case. */
export function foldToken(token: string): string {
  const text = tokenText(token);
  if (text.includes("\ufffd")) return token;
  const word = text.trim() === "" ? text : text.replace(/^ /, "");
  const lower = word.toLowerCase();
  return tokenOf([...lower].length === [...word].length ? lower : word);
}

const shortestStem = 3;

/**
 * The word without its inflections: plural, -ing, -ed. What is left must be a word that is known, so "sing" and "bus" stay,
 * and where two are known the spelling decides: "hoping" is of "hope", "hopping" of "hop".
 */
export function stem(word: string, known: ReadonlySet<string>): string {
  if (stopWords.has(word)) return word;
  const base = bases(word, known).find((candidate) => candidate.length >= shortestStem && known.has(candidate));
  return base === undefined ? word : stem(base, known);
}

/** What a word becomes before -ed and -ing, where that is another word: "danc" of "dance", "shopp" of "shop". */
export function trunks(word: string): string[] {
  if (/..[^aeiouy]e$/.test(word)) return [word.slice(0, -1)];
  return /^[^aeiou]*[aeiou][^aeiouwxys]$/.test(word) ? [word + word.at(-1)] : [];
}

/** What the word, or what stands before its ending, may be an inflection of, the likeliest first. */
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

/** "study" of "studied", "die" of "dying". */
function otherVowel(verb: string): string[] {
  if (verb.endsWith("i")) return [`${verb.slice(0, -1)}y`];
  return verb.endsWith("y") ? [`${verb.slice(0, -1)}ie`] : [];
}

export function isWord(text: string): boolean {
  return /^[\p{L}\p{N}]+$/u.test(text);
}

/** Pieces that are no words of their own. */
export const endings: ReadonlySet<string> = new Set(["s", "es", "ed", "ing"]);

export const stopWords: ReadonlySet<string> = new Set(
  (
    "the a an of and or to in is are was were be been it this that for on with as by from at what how do does did who when where " +
    "which why can i you we they he she not no if then than so but into about your my our their its has have had will would could should"
  ).split(" "),
);
