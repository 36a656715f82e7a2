/** Order by score, highest first; ties by index, lowest first. Pure. */

/** Indices of `scores` in rank order, at most `topK` of them; undefined, 0 or more than there are = all. */
export function rank(scores: ArrayLike<number>, topK?: number): number[] {
  const order = Array.from(scores, (_, index) => index);
  order.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
  return topK ? order.slice(0, topK) : order;
}
