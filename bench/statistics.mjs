/** Statistics of repeated measurements. */

/** @import { Statistics } from "./types.js" */

/**
 * @param {readonly number[]} samples At least one.
 * @returns {number}
 */
export function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const [low, high] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]];
  if (low === undefined || high === undefined) throw new Error("there is no median of nothing");
  return (low + high) / 2;
}

/**
 * @param {readonly number[]} samples At least one.
 * @returns {Statistics}
 */
export function statistics(samples) {
  return { median: median(samples), lowest: Math.min(...samples), highest: Math.max(...samples), samples: [...samples] };
}

/**
 * @param {ArrayLike<number>} values
 * @returns {number}
 */
export function standardDeviation(values) {
  const all = Array.from(values);
  const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
  return Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length);
}

/**
 * Root mean square of the differences; NaN if a value is NaN.
 *
 * @param {readonly number[]} left
 * @param {readonly number[]} right As many.
 * @returns {number}
 */
export function rootMeanSquare(left, right) {
  if (left.length !== right.length) throw new Error(`expected as many scores, got ${left.length} and ${right.length}`);
  const squares = left.map((value, index) => (value - (right[index] ?? Number.NaN)) ** 2);
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
}
