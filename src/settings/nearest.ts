/** Finds the name that a misspelled one probably stands for. */

/** undefined only when there are no names. */
export function nearest(given: string, names: readonly string[]): string | undefined {
  return names.reduce<string | undefined>(
    (best, name) => (best === undefined || distance(given, name) < distance(given, best) ? name : best),
    undefined,
  );
}

/** Levenshtein distance, case ignored. */
function distance(left: string, right: string): number {
  const target = right.toLowerCase();
  let previous = Array.from({ length: target.length + 1 }, (_, column) => column);
  for (const [row, letter] of [...left.toLowerCase()].entries()) {
    const current = [row + 1];
    for (let column = 0; column < target.length; column++) {
      const replaced = (previous[column] ?? 0) + (letter === target[column] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[target.length] ?? 0;
}
