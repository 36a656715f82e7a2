/** Finds the name that a misspelled one probably stands for. */

import leven from "leven";

/** undefined only when there are no names. */
export function nearest(given: string, names: readonly string[]): string | undefined {
  const distance = (name: string) => leven(given.toLowerCase(), name.toLowerCase());
  return names.reduce<string | undefined>(
    (best, name) => (best === undefined || distance(name) < distance(best) ? name : best),
    undefined,
  );
}
