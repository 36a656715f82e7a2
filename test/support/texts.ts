/** Texts for tests. A seeded generator draws words from a list, so every run has the same texts. */

const words =
  "search engine rank document query learn machine model data token score weather river mountain book paper light water music garden train city history language neural network deep index vector number science space time house coffee".split(
    " ",
  );

/** A linear congruential generator; returns numbers from 0 to 1. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A text of this many words, about one token each. */
export function text(wordCount: number, seed: number): string {
  const random = seeded(seed);
  return Array.from({ length: wordCount }, () => words[Math.floor(random() * words.length)]).join(" ");
}

/** Documents of random lengths from `shortest` to `longest` words. */
export function mixedDocuments(count: number, shortest: number, longest: number, seed: number): string[] {
  const random = seeded(seed);
  return Array.from({ length: count }, (_, index) =>
    text(shortest + Math.floor(random() ** 2 * (longest - shortest)), seed * 1000 + index),
  );
}
