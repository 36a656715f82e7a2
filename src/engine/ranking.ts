/** Order by score, highest first; ties by index, lowest first. What has no score (NaN) has no rank. Pure. */

/** Indices of `scores` in rank order, at most `topK` of them; undefined, 0 or more than there are = all. Of these, not below `least`. */
export function rank(scores: ArrayLike<number>, topK?: number, least?: number): number[] {
  const order = Array.from(scores, (_, index) => index).filter((index) => !Number.isNaN(scores[index]));
  order.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
  const best = topK ? order.slice(0, topK) : order;
  return least === undefined ? best : best.filter((index) => (scores[index] as number) >= least);
}
